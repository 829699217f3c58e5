import { readFile } from "node:fs/promises";
import { bytes } from "../output/quantities.ts";
import { type Check, type Discovery, type Examination, ok, problem, skipped, warning } from "./finding.ts";

export const limitCheck: Check<Examination> = {
  name: "limits",
  async run({ config }) {
    const { concurrency, memoryLimit } = config.values;
    const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
    return [assessOpenFiles(limits, concurrency), assessMemory(process.availableMemory(), memoryLimit)];
  },
};

/** The ledger, event sources and what Node.js has open by itself. */
const OTHER_FILES = 64;

/** A file in flight is open once, and its parts have a connection each. @param limits what /proc/self/limits says */
export function assessOpenFiles(limits: string, concurrency: number): Discovery {
  // Node.js has raised the first to the second when it started.
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  if (soft === undefined) return skipped("This system does not tell how many files may be open.");
  const allowed = soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
  const facts = { open_files: soft === "unlimited" ? null : allowed };
  const needed = OTHER_FILES + concurrency + SOCKETS;
  const remedy = "Raise it (ulimit -n 65536, LimitNOFILE= of the systemd unit), or lower transfer.worker_concurrency.";
  const message = `${soft} files may be open at once; ${concurrency} files in flight may need ${needed}.`;
  if (allowed < OTHER_FILES + concurrency * 2) return problem(message, remedy, facts);
  if (allowed < needed) return warning(message, remedy, facts);
  return ok(`${soft} files may be open at once.`, facts);
}

/** Most connections of the S3 client. */
const SOCKETS = 256;
/** What the process takes beside the bodies: Node.js, the SDK, the ledger's cache. */
const REST_BYTES = 200_000_000;

/** @param free of the machine, or of the container */
export function assessMemory(free: number, memoryLimit: number): Discovery {
  const facts = { free_bytes: free, memory_limit: memoryLimit };
  const message = `${bytes(free)} of memory are free; bodies may take ${bytes(memoryLimit)}, all else some ${bytes(REST_BYTES)}.`;
  const remedy = "Lower transfer.memory_limit, or give the machine or container more memory.";
  if (free < memoryLimit) return problem(message, remedy, facts);
  return free < memoryLimit + REST_BYTES ? warning(message, remedy, facts) : ok(message, facts);
}
