import { type Reason, SourceError } from "./errors.ts";
import type { SourceFacts } from "./file.ts";
import type { NameMatcher } from "./glob-segment.ts";
import { joinPath, sortPaths } from "./paths.ts";
import type { PathFilter } from "./patterns.ts";
import type { EntryKind, FileFacts, FolderEntry } from "./ports/file-system.ts";
import type { Steps } from "./steps.ts";

export type ScanEntry =
  | { readonly kind: "file"; readonly path: string; readonly facts: SourceFacts }
  | { readonly kind: "skipped"; readonly path: string; readonly reason: Reason }
  /** A file, or a folder (path with trailing slash), about which nothing could be learned: what is known of it stays. */
  | { readonly kind: "unreadable"; readonly path: string; readonly reason: Reason };

export interface WalkOptions {
  readonly filter: PathFilter;
  /** Follows links to files and folders that lie inside the root; never a loop. */
  readonly followLinks: boolean;
  /** A batch ends with so many entries, or a few more, and after a few times as many names. */
  readonly batch: number;
}

/** What the walk wants to know: the entries of one folder, or the facts of some entries (links followed as the walk does). */
export type WalkQuestion =
  | { readonly type: "folder"; readonly path: string }
  | { readonly type: "facts"; readonly paths: readonly string[] };

/** The folder's entries; or, for each path, its facts, undefined when there is no such entry, or why there are none. */
export type WalkAnswer = readonly FolderEntry[] | readonly FoundFacts[];
export type FoundFacts = FileFacts | SourceError | undefined;

/** Takes the entries of a batch, in path order. */
export interface EntrySink {
  /** Entries so far. */
  readonly size: number;
  file(path: string, facts: FileFacts): void;
  other(entry: OtherEntry): void;
}

export type OtherEntry = Exclude<ScanEntry, { readonly kind: "file" }>;

type WalkSteps<Result> = Steps<WalkQuestion, WalkAnswer, Result>;

/** An open folder: plain data, which another thread can go on with. */
export interface Frame {
  readonly folder: string;
  /** In path order. What is a folder, or may be one, has a slash behind its name. */
  readonly names: readonly string[];
  /** Of the names that are neither a file nor a folder to enter. */
  readonly special: ReadonlyMap<string, Special>;
  /** `dev:ino`, to see loops. */
  readonly identity: string;
  next: number;
}

/** `unknown`: a link whose target could not be asked for. `invalid`: the name is no UTF-8. */
type Special = "link" | "other" | "unknown" | "invalid";

const NAMES_PER_ENTRY = 4;

/**
 * A walk through a source folder: its matching entries in path order, in batches, with the memory of the open folders
 * only. Folders that cannot be read, or that vanish, are reported and never end the walk. It touches no disk itself.
 */
export class TreeWalk {
  /** Where the walk stands between two batches; the innermost folder last. */
  readonly frames: Frame[];
  readonly #options: WalkOptions;

  constructor(frames: readonly Frame[], options: WalkOptions) {
    this.frames = [...frames];
    this.#options = options;
  }

  get isOver(): boolean {
    return this.frames.length === 0;
  }

  /** @throws SourceError when the root itself cannot be read */
  static *begin(root: Identity, options: WalkOptions): WalkSteps<TreeWalk> {
    return new TreeWalk([yield* openFrame("", identityOf(root), options)], options);
  }

  /** Adds the next entries; there may be none, even before the walk is over. */
  *nextBatch(entries: EntrySink): WalkSteps<void> {
    const { batch } = this.#options;
    let names = 0;
    for (let frame = this.frames.at(-1); frame; frame = this.frames.at(-1)) {
      if (entries.size >= batch || names >= batch * NAMES_PER_ENTRY) break;
      const name = frame.names[frame.next];
      if (name === undefined) this.frames.pop();
      else if (isFolder(frame, name)) {
        frame.next++;
        const below = yield* this.#descend(joinPath(frame.folder, name.slice(0, -1)));
        if (below && "names" in below) this.frames.push(below);
        else if (below) entries.other(below);
        names++;
      } else names += yield* this.#inspectSome(frame, entries);
    }
  }

  *#descend(folder: string): WalkSteps<Frame | OtherEntry | undefined> {
    if (!this.#options.filter.descends(folder)) return undefined;
    try {
      const [facts] = yield* factsOf([folder]);
      if (!facts) return undefined;
      if (facts instanceof SourceError) throw facts;
      if (facts.kind !== "folder") return skipped(`${folder}/`, "SOURCE_NOT_REGULAR", "No folder any more.");
      const identity = identityOf(facts);
      if (this.#options.followLinks && this.frames.some((frame) => frame.identity === identity)) {
        return skipped(`${folder}/`, "SOURCE_NOT_REGULAR", "A link that leads back to a folder above it.");
      }
      return yield* openFrame(folder, identity, this.#options);
    } catch (error) {
      return unreadable(`${folder}/`, error);
    }
  }

  /** Adds what stands before the next folder, or a batch of it. @returns how many names it went through */
  *#inspectSome(frame: Frame, entries: EntrySink): WalkSteps<number> {
    const start = frame.next;
    const found: (OtherEntry | string)[] = [];
    const paths: string[] = [];
    const wants = this.#wantedNames(frame.folder);
    while (frame.next < frame.names.length && frame.next - start < this.#options.batch) {
      const name = frame.names[frame.next] as string;
      if (isFolder(frame, name)) break;
      frame.next++;
      const entry = this.#inspect(frame, name, wants);
      if (entry === undefined) continue;
      found.push(entry);
      if (typeof entry === "string") paths.push(entry);
    }
    const facts = paths.length === 0 ? [] : yield* factsOf(paths);
    let asked = 0;
    for (const item of found) {
      if (typeof item === "string") addFile(entries, item, facts[asked++]);
      else entries.other(item);
    }
    return frame.next - start;
  }

  /** What is to be said of the name, or the path of a file whose facts must be asked for; undefined when it is not wanted. */
  #inspect(frame: Frame, name: string, wants: NameMatcher): OtherEntry | string | undefined {
    const { filter, followLinks } = this.#options;
    const special = frame.special.size === 0 ? undefined : frame.special.get(name);
    const path = joinPath(frame.folder, name);
    if (special === "invalid") return skipped(path, "SOURCE_NAME_NOT_UTF8", "The name is not valid UTF-8.");
    if (special === "unknown") return unknownLink(path, filter);
    if (!wants(name)) return undefined;
    if (special === "link") return skipped(path, "SOURCE_NOT_REGULAR", linkMessage(followLinks));
    if (special === "other") return skipped(path, "SOURCE_NOT_REGULAR", "A FIFO, socket or device.");
    return path;
  }

  #wantedNames(folder: string): NameMatcher {
    const { filter } = this.#options;
    return filter.namesIn?.(folder) ?? ((name) => filter.includes(joinPath(folder, name)));
  }
}

function isFolder(frame: Frame, name: string): boolean {
  return name.endsWith("/") && !(frame.special.size > 0 && frame.special.has(name));
}

function* openFrame(folder: string, identity: string, { followLinks }: WalkOptions): WalkSteps<Frame> {
  const entries = (yield { type: "folder", path: folder }) as readonly FolderEntry[];
  const targets = followLinks ? yield* linkTargets(folder, entries) : undefined;
  const names: string[] = [];
  const special = new Map<string, Special>();
  for (const entry of entries) {
    const { name, validName } = entry;
    const kind = validName ? (targets?.get(name) ?? entry.kind) : "invalid";
    // Of what may be a file or a folder there are two entries: one holds the place of the file, the other of what is below.
    if (kind !== "folder") names.push(name);
    if (kind === "folder" || kind === "unknown") names.push(`${name}/`);
    if (kind === "unknown") special.set(`${name}/`, kind);
    if (kind !== "folder" && kind !== "file") special.set(name, kind);
  }
  return { folder, names: sortPaths(names), special, identity, next: 0 };
}

/** What the folder's links are once they are followed. */
function* linkTargets(
  folder: string,
  entries: readonly FolderEntry[],
): WalkSteps<ReadonlyMap<string, EntryKind | "unknown">> {
  const links = entries.filter(({ kind, validName }) => kind === "link" && validName).map(({ name }) => name);
  if (links.length === 0) return new Map();
  const facts = yield* factsOf(links.map((name) => joinPath(folder, name)));
  return new Map(links.map((name, index) => [name, targetKind(facts[index])]));
}

function targetKind(facts: FoundFacts): EntryKind | "unknown" {
  if (facts instanceof SourceError) return facts.code === "SOURCE_NOT_READABLE" ? "unknown" : "link";
  return facts?.kind ?? "link";
}

function* factsOf(paths: readonly string[]): WalkSteps<readonly FoundFacts[]> {
  return (yield { type: "facts", paths }) as readonly FoundFacts[];
}

function addFile(entries: EntrySink, path: string, facts: FoundFacts): void {
  if (!facts) return;
  if (facts instanceof SourceError) entries.other(unreadable(path, facts));
  else if (facts.kind === "file") entries.file(path, facts);
  else entries.other(skipped(path, "SOURCE_NOT_REGULAR", "No regular file any more."));
}

function unknownLink(path: string, filter: PathFilter): OtherEntry | undefined {
  const wanted = path.endsWith("/") ? filter.descends(path.slice(0, -1)) : filter.includes(path);
  if (!wanted) return undefined;
  const message = `${path} is a link whose target cannot be read.`;
  return { kind: "unreadable", path, reason: { code: "SOURCE_NOT_READABLE", message } };
}

function linkMessage(follow: boolean): string {
  return follow ? "A symbolic link that leads nowhere or outside the source folder." : "A symbolic link.";
}

function skipped(path: string, code: Reason["code"], message: string): OtherEntry {
  return { kind: "skipped", path, reason: { code, message } };
}

function unreadable(path: string, error: unknown): OtherEntry {
  if (!(error instanceof SourceError)) throw error;
  return { kind: "unreadable", path, reason: error.reason };
}

type Identity = Pick<FileFacts, "dev" | "ino">;

function identityOf({ dev, ino }: Identity): string {
  return `${dev}:${ino}`;
}
