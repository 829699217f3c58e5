import { defineStep, type PipelineDefinition, StepError } from "../src/index.ts";
import type { Plan } from "./plan.ts";

/** What a pipeline's steps know of the world. */
export interface StepWorld {
  /** Runs of the transform so far. */
  salts: number;
  /** Every step can do its work. */
  healed: boolean;
}

const SUFFIX = ".salted";
const SALT_LENGTH = 6;

/** The pipelines of a simulated service, all by the same name. */
export function pipelinesFor(kind: Plan["pipeline"], world: StepWorld): Record<string, PipelineDefinition> {
  if (kind === "none") return {};
  const check = checking(world);
  return { p: kind === "checked" ? [check] : { steps: [check, salting(world)], spool: kind === "spooled" } };
}

/** Reads the whole file, and every third time cannot tell. */
function checking(world: StepWorld) {
  let asked = 0;
  return defineStep({
    name: "check",
    check: async (file) => {
      if (!world.healed && ++asked % 3 === 0) throw new StepError("STEP_UNAVAILABLE", "made unavailable");
      let seen = 0;
      for await (const chunk of file.stream()) seen += chunk.length;
      return { accepted: seen === file.size };
    },
  });
}

/** As encryption does, it makes other bytes of the same file each time, and every one of them depends on the salt. */
function salting(world: StepWorld) {
  return defineStep({
    name: "salt",
    keySuffix: SUFFIX,
    transform: () => {
      const salt = ++world.salts;
      return {
        stream: async function* (input) {
          yield Buffer.from(String(salt).padStart(SALT_LENGTH, "0"));
          for await (const chunk of input) yield chunk.map((byte) => byte ^ keyOf(salt));
        },
        changes: () => ({ metadata: { salt: String(salt) } }),
      };
    },
  });
}

const keyOf = (salt: number) => (salt % 255) + 1;

/** How keys and objects of a kind of pipeline look. */
export function shapeOf(kind: Plan["pipeline"]) {
  const salted = kind === "spooled" || kind === "streamed";
  const suffix = salted ? SUFFIX : "";
  return {
    suffix,
    /** Bytes that an object has more than its file. */
    extra: salted ? SALT_LENGTH : 0,
    /** The file that an object was made of; garbage when it is a mixture. */
    unmade: (bytes: Uint8Array): Uint8Array => {
      if (!salted) return bytes;
      const salt = Number(Buffer.from(bytes.subarray(0, SALT_LENGTH)).toString());
      return bytes.subarray(SALT_LENGTH).map((byte) => byte ^ keyOf(salt));
    },
  };
}
