import { SourceError } from "./errors.ts";
import { sourceFacts } from "./file.ts";
import type { PathFilter } from "./patterns.ts";
import type { FileFacts, SourceRoot } from "./ports/file-system.ts";
import { drive } from "./steps.ts";
import {
  type EntrySink,
  type FoundFacts,
  type OtherEntry,
  type ScanEntry,
  TreeWalk,
  type WalkAnswer,
  type WalkQuestion,
} from "./tree-walk.ts";

export type { ScanEntry } from "./tree-walk.ts";

export interface ScanOptions {
  readonly filter: PathFilter;
  /** Follows links to files and folders that lie inside the root; never a loop. */
  readonly followLinks: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Calls after which a root that knows a faster way is asked for it. Default 1,000. */
  readonly handOverAfter?: number;
}

/** Entries per batch. */
const BATCH = 256;
const STATS_AT_ONCE = 64;
/** By then the calls have cost about what the start of a thread costs. */
const HAND_OVER_AFTER = 1_000;

/**
 * Walks a source folder and yields its matching entries in path order, in batches, with the memory of the open folders
 * only. Folders that cannot be read, or that vanish, are reported and never end the walk.
 * @throws SourceError when the root itself cannot be read · the signal's reason
 */
export async function* scan(root: SourceRoot, options: ScanOptions): AsyncGenerator<readonly ScanEntry[], void, void> {
  const { filter, followLinks, signal, handOverAfter = HAND_OVER_AFTER } = options;
  let calls = 0;
  const answer = (question: WalkQuestion): Promise<WalkAnswer> => {
    signal?.throwIfAborted();
    calls += question.type === "folder" ? 1 : question.paths.length;
    return ask(root, question, followLinks);
  };
  const walkOptions = { filter, followLinks, batch: BATCH };
  const walk = await drive(TreeWalk.begin(root.facts, walkOptions), answer);
  let limit = filter.spec && root.walk ? handOverAfter : Number.POSITIVE_INFINITY;
  while (!walk.isOver) {
    signal?.throwIfAborted();
    if (calls >= limit && filter.spec) {
      limit = Number.POSITIVE_INFINITY;
      const rest = await root.walk?.(root, { patterns: filter.spec, followLinks, frames: walk.frames, signal });
      if (rest) return yield* rest;
    }
    const found = new EntryList();
    await drive(walk.nextBatch(found), answer);
    if (found.size > 0) yield found.entries;
  }
}

class EntryList implements EntrySink {
  readonly entries: ScanEntry[] = [];

  get size(): number {
    return this.entries.length;
  }

  file(path: string, facts: FileFacts): void {
    this.entries.push({ kind: "file", path, facts: sourceFacts(facts) });
  }

  other(entry: OtherEntry): void {
    this.entries.push(entry);
  }
}

async function ask(root: SourceRoot, question: WalkQuestion, follow: boolean): Promise<WalkAnswer> {
  if (question.type === "folder") return await root.readFolder(question.path);
  const { paths } = question;
  const found: FoundFacts[] = [];
  for (let start = 0; start < paths.length; start += STATS_AT_ONCE) {
    const some = paths.slice(start, start + STATS_AT_ONCE);
    found.push(...(await Promise.all(some.map((path) => factsOf(root, path, follow)))));
  }
  return found;
}

async function factsOf(root: SourceRoot, path: string, follow: boolean): Promise<FoundFacts> {
  try {
    return await root.stat(path, { follow });
  } catch (error) {
    if (error instanceof SourceError) return error;
    throw error;
  }
}
