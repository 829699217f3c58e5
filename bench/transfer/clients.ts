import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client, Job } from "./job.ts";
import type { Command } from "./measure.ts";
import type { Task } from "./programs/task.ts";
import { aws, curl, rclone, s3cmd } from "./tools.ts";

/** How the programs on Node.js are started. */
export interface NodeSetup {
  readonly built: boolean;
  /** Where Node.js keeps compiled code: who has run a program before does not pay for it again. */
  readonly cache: string;
  readonly dataPath: string | undefined;
}

export const BUCKETLINE = "bucketline";

export function clients(setup: NodeSetup): readonly Client[] {
  const peer = (name: string, program: string, version: () => string, looksAgain = false): Client => ({
    ...{ name, checks: true, looksAgain, version },
    command: (job) => nodeProgram(program, job, setup),
  });
  return [
    peer(BUCKETLINE, "bucketline", () => (setup.built ? "built package" : "sources"), true),
    curl,
    rclone,
    s3cmd,
    peer("PutObject loop", "put-object", () => packageVersion("@aws-sdk/client-s3")),
    peer("lib-storage", "lib-storage", () => packageVersion("@aws-sdk/lib-storage")),
    peer("s3-sync-client", "s3-sync-client", () => packageVersion("s3-sync-client"), true),
    aws,
  ];
}

/** @param program file name in programs/, without its ending */
export function nodeProgram(program: string, job: Job, { built, cache, dataPath }: NodeSetup): Command {
  const { folder, endpoint, bucket, prefix, concurrency, scratch, again } = job;
  const ledger = join(scratch, "ledger.db");
  const task: Task = { folder, endpoint, bucket, prefix, concurrency, ledger, again, dataPath };
  const conditions = built ? [] : ["--conditions=@bucketline/source"];
  const path = fileURLToPath(new URL(`./programs/${program}.ts`, import.meta.url));
  return {
    program: process.execPath,
    args: [...conditions, "--disable-warning=ExperimentalWarning", path, JSON.stringify(task)],
    env: { NODE_COMPILE_CACHE: cache, ...(job.caFile !== undefined && { NODE_EXTRA_CA_CERTS: job.caFile }) },
  };
}

/** Packages hide their package.json behind `exports`; it lies somewhere above what they export. */
function packageVersion(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  while (folder !== dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
        readonly name?: string;
        readonly version: string;
      };
      if (manifest.name === name) return manifest.version;
    } catch {
      // Not here.
    }
    folder = dirname(folder);
  }
  return "unknown";
}
