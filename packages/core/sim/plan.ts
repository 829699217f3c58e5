import { SeededRandom } from "./random.ts";

/** Something that happens, `after` so many milliseconds of the world's time since the thing before. Plain data. */
export type Step = { readonly after: number } & Happening;

export type Happening =
  | {
      readonly do: "write" | "replace" | "rewriteKeepingTime";
      readonly path: string;
      readonly size: number;
      readonly fill: number;
    }
  | { readonly do: "append" | "truncate"; readonly path: string; readonly size: number }
  | { readonly do: "remove"; readonly path: string }
  | { readonly do: "unmount"; readonly forMs: number }
  | {
      readonly do: "kill";
      readonly process: number;
      readonly inCalls: number;
      readonly when: "before" | "after";
      readonly downMs: number;
    }
  | { readonly do: "freeze"; readonly process: number; readonly forMs: number }
  | { readonly do: "stop"; readonly process: number; readonly downMs: number }
  | {
      readonly do: "fault";
      readonly process: number;
      readonly method: FaultedMethod;
      readonly kind: FaultKind;
      readonly times: number;
    }
  | {
      readonly do: "ledgerFault";
      readonly process: number;
      readonly kind: "full" | "busy" | "broken";
      readonly times: number;
    }
  /** The ledger does what it is asked, and its answer is lost. */
  | { readonly do: "ledgerSilence"; readonly process: number; readonly method: SilencedMethod; readonly times: number }
  | { readonly do: "abortMultiparts" }
  | { readonly do: "pause" | "resume" | "retry" | "check" | "cancel" }
  | { readonly do: "stepClock"; readonly ms: number };

export const FAULTED_METHODS = [
  "putObject",
  "headObject",
  "createMultipart",
  "uploadPart",
  "listParts",
  "completeMultipart",
  "abortMultipart",
  "checkBucket",
] as const;
export type FaultedMethod = (typeof FAULTED_METHODS)[number] | "deleteObject" | "putStream";

export const SILENCED_METHODS = ["commit", "commit", "claim", "updateUpload", "rescue", "heartbeat"] as const;
export type SilencedMethod = (typeof SILENCED_METHODS)[number];

export const FAULT_KINDS = [
  "transient",
  "lostAnswer",
  "throttled",
  "denied",
  "credentials",
  "integrity",
  "conflict",
  "hang",
  "hangAfter",
  "slow",
  "wrongChecksum",
] as const;
/** `rejected`: the file is FAILED at once. */
export type FaultKind = (typeof FAULT_KINDS)[number] | "rejected";

export interface Plan {
  readonly seed: number;
  /** Services on one ledger. */
  readonly processes: number;
  /** Whether the ledger tells one service what the others have done. */
  readonly hints: boolean;
  readonly onSourceDelete: "keep" | "delete";
  /** What every file goes through: nothing, a check, or one and a transform that makes other bytes each time. */
  readonly pipeline: "none" | "checked" | "spooled" | "streamed";
  /** What becomes of files that were sent; `drop`: the source is a drop folder. */
  readonly disposal: "keep" | "delete" | "move" | "drop";
  /** Whether, for a while again and again, files can be neither moved nor deleted. */
  readonly movesFail: boolean;
  /** Whether each process begins on a machine of its own, without what others have spooled. */
  readonly losesSpools: boolean;
  /** Whether somebody takes the notices out; otherwise they gather in the ledger. */
  readonly delivers: boolean;
  readonly files: readonly { readonly path: string; readonly size: number; readonly fill: number }[];
  readonly steps: readonly Step[];
}

const PATHS = ["a", "b.txt", "c/d", "c/e", "c.d", "dir/sub/f", "dir/sub/g", "é", "z"] as const;
const PIPELINES: readonly Plan["pipeline"][] = ["none", "spooled", "none", "checked", "spooled", "none", "streamed"];
/** Of seeds that leave objects alone: the two exclude each other. */
const DISPOSALS: readonly Plan["disposal"][] = [
  ...(["drop", "keep", "delete", "keep", "move", "keep"] as const),
  ...(["keep", "keep", "drop", "delete", "move"] as const),
];
const LARGEST = 60;
const DAY = 86_400_000;

/**
 * What a seed makes happen.
 * @param owners how many services there shall be. Default: the seed says, one or two
 */
export function planOf(seed: number, owners?: 1 | 2): Plan {
  const random = new SeededRandom(seed);
  const said = random.chance(0.4) ? 2 : 1;
  const processes = owners ?? said;
  const onSourceDelete = seed % 3 === 0 ? "delete" : "keep";
  // Without random numbers of their own, so that the other seeds make happen what they always did.
  const pipeline = PIPELINES[seed % PIPELINES.length] ?? "none";
  const disposal = onSourceDelete === "delete" ? "keep" : (DISPOSALS[seed % DISPOSALS.length] ?? "keep");
  const faulted = (method: FaultedMethod): FaultedMethod => {
    if (pipeline === "streamed" && method === "putObject") return "putStream";
    return onSourceDelete === "delete" && method === "checkBucket" ? "deleteObject" : method;
  };
  const failing = (kind: FaultKind) => (seed % 5 <= 1 && (kind === "throttled" || kind === "slow") ? "rejected" : kind);
  const written = (kind: Happening["do"]) =>
    onSourceDelete === "delete" && (kind === "truncate" || kind === "rewriteKeepingTime") ? "remove" : kind;
  const size = () => random.pick([0, 1, 7, 8, 9, random.between(10, LARGEST), random.between(10, LARGEST)]);
  const fill = () => random.between(97, 122);
  const files = PATHS.filter(() => random.chance(0.6)).map((path) => ({ path, size: size(), fill: fill() }));
  const happening = (): Happening => {
    const path = random.pick(PATHS);
    const process = random.between(0, processes - 1);
    const kinds = ["write", "replace", "rewriteKeepingTime", "append", "truncate", "remove"] as const;
    const dice = random.next();
    if (dice < 0.3) return { do: written(random.pick(kinds)), path, size: size(), fill: fill() } as Happening;
    if (dice < 0.5)
      return {
        do: "kill",
        process,
        inCalls: random.between(1, 40),
        when: random.pick(["before", "after"]),
        downMs: random.between(0, 40_000),
      };
    if (dice < 0.8) {
      const times = random.chance(0.2) ? random.between(5, 20) : random.between(1, 3);
      const method = faulted(random.pick(FAULTED_METHODS));
      return { do: "fault", process, method, kind: failing(random.pick(FAULT_KINDS)), times };
    }
    if (dice < 0.85) return { do: "freeze", process, forMs: random.pick([5_000, 40_000, 100_000]) };
    if (dice < 0.88) return { do: "stop", process, downMs: random.between(0, 20_000) };
    if (dice < 0.91)
      return { do: "ledgerFault", process, kind: random.pick(["full", "busy", "broken"]), times: random.between(1, 4) };
    if (dice < 0.93) return { do: "unmount", forMs: random.between(1_000, 30_000) };
    if (dice < 0.94) return { do: "abortMultiparts" };
    if (dice < 0.95) return { do: "stepClock", ms: random.pick([-DAY, DAY, -1_000, 60_000]) };
    if (dice < 0.952) return { do: "cancel" };
    if (dice < 0.97)
      return { do: "ledgerSilence", process, method: random.pick(SILENCED_METHODS), times: random.between(1, 3) };
    return { do: random.pick(["pause", "resume", "retry", "check"]) };
  };
  const steps = Array.from({ length: random.between(3, 25) }, (): Step => {
    const after = random.pick([0, 1, 5, random.between(0, 100), random.between(0, 5_000), random.between(0, 20_000)]);
    return { after, ...happening() };
  });
  return {
    seed,
    processes,
    hints: seed % 2 === 0,
    onSourceDelete,
    pipeline,
    disposal,
    movesFail: disposal !== "keep" && seed % 4 >= 2,
    losesSpools: seed % 2 === 1,
    delivers: seed % 5 === 0,
    files,
    steps,
  };
}

/** A step in words, for the story of a failing seed. */
export function tell(step: Step): string {
  const { after, do: name, ...facts } = step;
  return `+${after} ms: ${name} ${Object.entries(facts)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ")}`;
}
