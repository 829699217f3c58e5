import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { UploadRecord } from "@bucketline/core";
import { count } from "../output/quantities.ts";
import { type Check, type Discovery, ok, problem, skipped, warning } from "./finding.ts";
import type { LedgerExamination } from "./scratch-ledger.ts";

/** Beyond this many the exact number does not matter, and counting takes long. */
const MOST_FOLDERS = 1_000_000;
const LONGEST_COUNT_MS = 10_000;

/** A watched folder costs one watch for itself and for each folder in it; one instance serves an upload. */
export const watchCheck: Check<LedgerExamination> = {
  name: "file events",
  async run({ config, ledger, signal }) {
    if (!config.values.events) return [skipped("Off by monitor.events: only scans find changes.")];
    const [watches, instances] = await Promise.all([limitOf("max_user_watches"), limitOf("max_user_instances")]);
    if (watches === undefined || instances === undefined) return [skipped("This system has no limits of inotify.")];
    const uploads = (await ledger().catch(() => undefined))?.uploads;
    if (!uploads) return [skipped("The registered uploads cannot be read; see above.")];
    const watched = uploads.filter(isWatched);
    const counted = await countFolders(
      watched.map(({ spec }) => spec.sourceFolder),
      signal,
    );
    return [assessWatches({ ...counted, uploads: watched.length, watches, instances })];
  },
};

function isWatched({ spec, state }: UploadRecord): boolean {
  return spec.mode === "watch" && state !== "CANCELLED";
}

async function limitOf(name: string): Promise<number | undefined> {
  const text = await readFile(`/proc/sys/fs/inotify/${name}`, "utf8").catch(() => "");
  return /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

interface Needs {
  readonly uploads: number;
  readonly folders: number;
  /** Counting was given up: there are more. */
  readonly isMore: boolean;
  readonly watches: number;
  readonly instances: number;
}

export function assessWatches({ uploads, folders, isMore, watches, instances }: Needs): Discovery {
  const facts = { uploads, folders, max_user_watches: watches, max_user_instances: instances };
  const more = `${isMore ? "more than " : ""}${count(folders, "folder")}`;
  const has = `${count(uploads, "watched upload")} ${uploads === 1 ? "has" : "have"} ${more}`;
  const remedy = (name: string, value: number) =>
    `Raise the limit (sysctl fs.inotify.${name}=${value}, and a file in /etc/sysctl.d to keep it); until then scans find what events miss.`;
  if (folders > watches)
    return problem(
      `${has}, and the system watches ${watches.toLocaleString("en-US")} at most.`,
      remedy("max_user_watches", roundUp(folders)),
      facts,
    );
  if (uploads > instances)
    return problem(
      `${has}; the system allows ${instances} watchers for each user.`,
      remedy("max_user_instances", roundUp(uploads)),
      facts,
    );
  if (folders > watches * 0.8)
    return warning(
      `${has}, and the system watches ${watches.toLocaleString("en-US")} at most.`,
      remedy("max_user_watches", roundUp(folders)),
      facts,
    );
  return ok(`${has}; the system watches up to ${watches.toLocaleString("en-US")}.`, facts);
}

/** With as much again, as a power of two. */
function roundUp(needed: number): number {
  return 2 ** Math.ceil(Math.log2(needed * 2));
}

async function countFolders(
  roots: readonly string[],
  signal: AbortSignal,
): Promise<{ folders: number; isMore: boolean }> {
  const until = Date.now() + LONGEST_COUNT_MS;
  const open = [...new Set(roots)];
  let folders = 0;
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    signal.throwIfAborted();
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
    if (!entries) continue;
    folders += 1;
    for (const entry of entries) if (entry.isDirectory()) open.push(join(folder, entry.name));
    if (folders >= MOST_FOLDERS || Date.now() > until) return { folders, isMore: true };
  }
  return { folders, isMore: false };
}
