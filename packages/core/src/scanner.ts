import { type Reason, SourceError } from "./errors.ts";
import { type SourceFacts, sourceFacts } from "./file.ts";
import { joinPath, sortPaths } from "./paths.ts";
import type { PathFilter } from "./patterns.ts";
import type { EntryKind, FolderEntry, SourceRoot } from "./ports/file-system.ts";

export type ScanEntry =
  | { readonly kind: "file"; readonly path: string; readonly facts: SourceFacts }
  | { readonly kind: "skipped"; readonly path: string; readonly reason: Reason }
  /** A file, or a folder (path with trailing slash), about which nothing could be learned: what is known of it stays. */
  | { readonly kind: "unreadable"; readonly path: string; readonly reason: Reason };

export interface ScanOptions {
  readonly filter: PathFilter;
  /** Follows links to files and folders that lie inside the root; never a loop. */
  readonly followLinks: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Entries per batch; also bounds how many stats run at once. */
const BATCH = 256;
const STATS_AT_ONCE = 64;

/** An entry's kind once links are followed; `unknown`: a link whose target could not be asked for. */
type ResolvedKind = EntryKind | "unknown";

interface Frame {
  readonly folder: string;
  readonly entries: readonly SortedEntry[];
  /** `dev:ino`, to see loops. */
  readonly identity: string;
  next: number;
}

interface SortedEntry {
  readonly kind: ResolvedKind;
  readonly validName: boolean;
  readonly sortKey: string;
  readonly path: string;
}

/**
 * Walks a source folder and yields its matching entries in path order, in batches, with the memory of the open folders
 * only. Folders that cannot be read, or that vanish, are reported and never end the walk.
 * @throws SourceError when the root itself cannot be read · the signal's reason
 */
export async function* scan(root: SourceRoot, options: ScanOptions): AsyncGenerator<readonly ScanEntry[], void, void> {
  const stack: Frame[] = [await openFrame(root, "", identityOf(root.facts), options)];
  let batch: ScanEntry[] = [];
  for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
    options.signal?.throwIfAborted();
    const entry = frame.entries[frame.next];
    if (!entry) {
      stack.pop();
    } else if (entry.kind === "folder" && entry.validName) {
      frame.next++;
      const below = await descend(root, entry.path, stack, options);
      if (below && "entries" in below) stack.push(below);
      else if (below) batch.push(below);
    } else {
      const run = nextRun(frame);
      const found = await Promise.all(run.map((file) => inspect(root, file, options)));
      for (const entry of found) if (entry) batch.push(entry);
    }
    if (batch.length >= BATCH) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** The next entries of the frame that are no folders. */
function nextRun(frame: Frame): readonly SortedEntry[] {
  const start = frame.next;
  while (frame.next < frame.entries.length && frame.next - start < STATS_AT_ONCE) {
    const entry = frame.entries[frame.next];
    if (entry?.kind === "folder" && entry.validName && frame.next > start) break;
    frame.next++;
  }
  return frame.entries.slice(start, frame.next);
}

async function descend(
  root: SourceRoot,
  folder: string,
  stack: readonly Frame[],
  options: ScanOptions,
): Promise<Frame | ScanEntry | undefined> {
  if (!options.filter.descends(folder)) return undefined;
  try {
    const facts = await root.stat(folder, { follow: options.followLinks });
    if (!facts) return undefined;
    if (facts.kind !== "folder") return skipped(`${folder}/`, "SOURCE_NOT_REGULAR", "No folder any more.");
    const identity = identityOf(facts);
    if (options.followLinks && stack.some((frame) => frame.identity === identity)) {
      return skipped(`${folder}/`, "SOURCE_NOT_REGULAR", "A link that leads back to a folder above it.");
    }
    return await openFrame(root, folder, identity, options);
  } catch (error) {
    return unreadable(`${folder}/`, error);
  }
}

async function openFrame(root: SourceRoot, folder: string, identity: string, options: ScanOptions): Promise<Frame> {
  const entries = await root.readFolder(folder);
  const sortable: SortedEntry[] = [];
  for (let start = 0; start < entries.length; start += STATS_AT_ONCE) {
    const some = entries.slice(start, start + STATS_AT_ONCE);
    const kinds = options.followLinks ? await Promise.all(some.map((entry) => followedKind(root, folder, entry))) : [];
    for (const [index, entry] of some.entries())
      sortable.push(...sortedEntries(folder, entry, kinds[index] ?? entry.kind));
  }
  return { folder, entries: sortPaths(sortable), identity, next: 0 };
}

/** Of what may be a file or a folder there are two entries: one holds the place of the file, the other of what is below. */
function sortedEntries(folder: string, { name, validName }: FolderEntry, kind: ResolvedKind): SortedEntry[] {
  const path = joinPath(folder, name);
  const entry = { kind, validName, path, sortKey: kind === "folder" && validName ? `${name}/` : name };
  return kind === "unknown" ? [entry, { ...entry, path: `${path}/`, sortKey: `${name}/` }] : [entry];
}

async function followedKind(root: SourceRoot, folder: string, entry: FolderEntry): Promise<ResolvedKind> {
  if (entry.kind !== "link" || !entry.validName) return entry.kind;
  try {
    return (await root.stat(joinPath(folder, entry.name), { follow: true }))?.kind ?? "link";
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return error.code === "SOURCE_NOT_READABLE" ? "unknown" : "link";
  }
}

async function inspect(root: SourceRoot, entry: SortedEntry, options: ScanOptions): Promise<ScanEntry | undefined> {
  const { path } = entry;
  if (!entry.validName) return skipped(path, "SOURCE_NAME_NOT_UTF8", "The name is not valid UTF-8.");
  if (entry.kind === "unknown") return inspectUnknown(path, options.filter);
  if (!options.filter.includes(path)) return undefined;
  if (entry.kind === "link") return skipped(path, "SOURCE_NOT_REGULAR", linkMessage(options.followLinks));
  if (entry.kind === "other") return skipped(path, "SOURCE_NOT_REGULAR", "A FIFO, socket or device.");
  try {
    const facts = await root.stat(path, { follow: options.followLinks });
    if (!facts) return undefined;
    if (facts.kind !== "file") return skipped(path, "SOURCE_NOT_REGULAR", "No regular file any more.");
    return { kind: "file", path, facts: sourceFacts(facts) };
  } catch (error) {
    return unreadable(path, error);
  }
}

function inspectUnknown(path: string, filter: PathFilter): ScanEntry | undefined {
  const wanted = path.endsWith("/") ? filter.descends(path.slice(0, -1)) : filter.includes(path);
  if (!wanted) return undefined;
  const message = `${path} is a link whose target cannot be read.`;
  return { kind: "unreadable", path, reason: { code: "SOURCE_NOT_READABLE", message } };
}

function linkMessage(follow: boolean): string {
  return follow ? "A symbolic link that leads nowhere or outside the source folder." : "A symbolic link.";
}

function skipped(path: string, code: Reason["code"], message: string): ScanEntry {
  return { kind: "skipped", path, reason: { code, message } };
}

function unreadable(path: string, error: unknown): ScanEntry {
  if (!(error instanceof SourceError)) throw error;
  return { kind: "unreadable", path, reason: error.reason };
}

function identityOf(facts: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${facts.dev}:${facts.ino}`;
}
