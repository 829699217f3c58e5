import { setTimeout as sleep } from "node:timers/promises";
import { Dice } from "./dice.ts";
import { type Blow, KINDS, type Kind } from "./sendings.ts";
import type { SourceSpec } from "./source.ts";
import { CHUNK_SIZE, CONCURRENCY, type Host, LEASE_MS, Trial } from "./trial.ts";
import { judge, type Verdict, WRONGS } from "./verdict.ts";

export interface CampaignOptions {
  readonly hosts: number;
  /** Blows of all kinds together. */
  readonly kills: number;
  readonly smallFiles: number;
  readonly bigFiles: number;
  /** Average of the files that go in parts. */
  readonly bigBytes: number;
  readonly seed: number;
  readonly onProgress?: (line: string) => void;
}

/** What became of an upload that several hosts shared and that was given blows on its way. */
export interface Outcome extends Verdict {
  readonly blows: readonly Blow[];
  readonly files: number;
  /** Writes of owners that had lost their file, refused by the ledger. */
  readonly refused: number;
  /** What the hosts wrote to stderr. */
  readonly story: string;
}

const LONGEST_PAUSE_MS = 700;
/** Longest wait for a host to be in the middle of something. */
const PATIENCE_MS = 3_000;
const LOOK_EVERY_MS = 20;
/** From just when the lease has run out to when the others have long taken over; the heirs are met at every stage. */
const OUTAGE_MS = [LEASE_MS, LEASE_MS * 1.7] as const;
/** How long a blow lasts on average, with the pause before it; sets the pace. */
const BLOW_MS = 4_000;
const SLOWEST_MS = 4_000;
const TIMEOUT_MS = 90_000;

export function countWrongs(verdict: Verdict): number {
  return WRONGS.reduce((sum, kind) => sum + verdict[kind].length, 0);
}

/**
 * Lets the hosts share one upload, and kills, freezes and cuts them off on the way. The seed decides files and blows;
 * what they meet is up to the machine.
 * @throws Error with the hosts' story when the upload ends before the blows, or does not end
 */
export async function campaign(options: CampaignOptions): Promise<Outcome> {
  const spec: SourceSpec = options;
  const trial = await Trial.open(spec, options.hosts);
  try {
    const blows = await strike(trial, options);
    await within(TIMEOUT_MS, trial.finished(), "The upload has not ended");
    await within(TIMEOUT_MS, trial.stopHosts(), "The hosts have not stopped");
    const lines = trial.hosts.flatMap((host) => host.runs.flatMap((run) => run.lines));
    const refused = lines.filter((line) => line === "refused").length;
    return { ...(await judge(trial, blows)), blows, files: trial.files.length, refused, story: trial.story };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\n${trial.story}`, { cause: error });
  } finally {
    await trial.close();
  }
}

async function strike(trial: Trial, { kills, seed, onProgress }: CampaignOptions): Promise<Blow[]> {
  const dice = new Dice(seed);
  const blows: Blow[] = [];
  let over = 0;
  pace(trial, () => kills - over);
  await Promise.all(trial.hosts.map((host) => host.start()));
  for (const kind of deck(kills, dice)) {
    await sleep(dice.int(0, LONGEST_PAUSE_MS));
    const host = await victim(trial, kind, dice);
    if ((await trial.state.getUpload(trial.uploadId))?.state === "COMPLETED")
      throw new Error(`The upload ended before blow ${blows.length + 1}.`);
    const blow: Blow = { kind, sender: host.sender, at: Date.now() };
    blows.push(blow);
    onProgress?.(`${blows.length} of ${kills}: ${kind} ${blow.sender}, ${trial.bucket.sent} files and parts sent`);
    await METHODS[kind](host, dice);
    over++;
  }
  return blows;
}

/** Of every kind as many, in an order of the dice. */
function deck(count: number, dice: Dice): Kind[] {
  const kinds: Kind[] = [];
  while (kinds.length < count) kinds.push(...dice.shuffle(KINDS));
  return kinds.slice(0, count);
}

const METHODS: Record<Kind, (host: Host, dice: Dice) => Promise<void>> = {
  SIGKILL: async (host) => {
    await host.child.signal("SIGKILL");
    await host.start();
  },
  SIGSTOP: async (host, dice) => {
    host.child.send("SIGSTOP");
    await sleep(dice.int(...OUTAGE_MS));
    host.child.send("SIGCONT");
  },
  cut: async (host, dice) => await host.wire.cut(dice.pick(["question", "answer"])),
  stall: async (host, dice) => {
    host.wire.stall();
    await sleep(dice.int(...OUTAGE_MS));
    host.wire.resume();
  },
};

/** A host with something on its way; if others are to take over from it, one in the middle of a file that goes in parts. */
async function victim(trial: Trial, kind: Kind, dice: Dice): Promise<Host> {
  const inParts = kind !== "cut";
  const first = dice.pick(trial.hosts);
  const order = [first, ...trial.hosts.filter((host) => host !== first)];
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
    const senders = inParts ? trial.bucket.sendingInParts() : undefined;
    const busy = order.find(({ sender }) => trial.bucket.isSending(sender) && (senders?.has(sender) ?? true));
    if (busy) return busy;
    await sleep(LOOK_EVERY_MS);
  }
  return first;
}

/** Spreads what is left to send over the blows that are left, so that each of them meets an upload under way. */
function pace({ bucket, files, hosts }: Trial, blowsLeft: () => number): void {
  const total = files.reduce((sum, { size }) => sum + Math.max(1, Math.ceil(size / CHUNK_SIZE)), 0);
  bucket.delayMs = (carriesFile) => {
    if (!carriesFile || blowsLeft() === 0) return 1;
    const left = Math.max(1, total - bucket.sent);
    return Math.min(SLOWEST_MS, (blowsLeft() * BLOW_MS * hosts.length * CONCURRENCY) / left);
  };
}

async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  const over = new AbortController();
  const late = sleep(ms, undefined, { signal: over.signal }).then(() => {
    throw new Error(`${what} within ${ms / 1000} s.`);
  });
  late.catch(() => {});
  return await Promise.race([work, late]).finally(() => over.abort());
}
