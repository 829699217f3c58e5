import type { Setting } from "./setting.ts";

/** How pipelines run; what they are is said under `pipelines`. */
export const PIPELINE_SETTINGS = {
  stepTimeout: {
    kind: "duration",
    path: "transfer.step_timeout",
    env: ["BUCKETLINE_STEP_TIMEOUT"],
    flag: "step-timeout",
    least: 1,
    fallback: 600_000,
    summary: "how long a step of a pipeline may stand still before its attempt has failed",
  },
  spoolFolder: {
    kind: "file",
    path: "spool.folder",
    env: ["BUCKETLINE_SPOOL_FOLDER"],
    flag: "spool-folder",
    otherwise: "`spool` in the data folder",
    summary: "where what pipelines make of files waits until it has arrived; on a disk of this machine",
  },
  spoolMaxBytes: {
    kind: "size",
    path: "spool.max_bytes",
    env: ["BUCKETLINE_SPOOL_MAX_BYTES"],
    flag: "spool-max-bytes",
    least: 1,
    fallback: 17_179_869_184,
    summary: "how much may lie there at once",
  },
} as const satisfies Record<string, Setting>;
