import type { BigIntStats, Dirent } from "node:fs";
import { sep } from "node:path";
import { SourceError } from "./errors.ts";
import type { FileFacts, FolderEntry } from "./ports/file-system.ts";
import type { Steps } from "./steps.ts";

interface FsAnswers {
  lstat: BigIntStats;
  stat: BigIntStats;
  realpath: string;
  readdir: Dirent[];
  readdirBytes: Dirent<Buffer>[];
}

/** One call of `node:fs`, with an absolute path. Stats are asked for as bigint, folders with the kinds of their entries. */
export interface FsCall {
  readonly method: keyof FsAnswers;
  readonly path: string;
}

export type FsAnswer = FsAnswers[keyof FsAnswers];
export type FsSteps<Result> = Steps<FsCall, FsAnswer, Result>;

function* call<M extends keyof FsAnswers>(method: M, path: string): FsSteps<FsAnswers[M]> {
  return (yield { method, path }) as FsAnswers[M];
}

/** What is asked of a source folder on a disk, whether the calls are made by promises or by a thread that blocks. */
export class FolderCalls {
  /** Absolute real path. */
  readonly root: string;
  readonly #identity: Pick<FileFacts, "dev" | "ino">;
  readonly #prefix: string;

  constructor(root: string, identity: Pick<FileFacts, "dev" | "ino">) {
    this.root = root;
    this.#identity = identity;
    this.#prefix = root.endsWith(sep) ? root : root + sep;
  }

  /** @throws SourceError as `SourceRoot.readFolder` */
  *readFolder(path: string): FsSteps<FolderEntry[]> {
    const folder = this.absolute(path);
    try {
      const entries = yield* list(folder);
      // What is mounted over the root, or lay below its mount, may have folders of the same names.
      yield* this.#checkThere();
      return entries;
    } catch (error) {
      throw yield* this.failure(error, folder, "folder");
    }
  }

  /** @throws SourceError as `SourceRoot.stat` */
  *stat(path: string, follow: boolean): FsSteps<FileFacts | undefined> {
    const absolute = this.absolute(path);
    try {
      const facts = toFacts(yield* call("lstat", absolute));
      if (!follow || facts.kind !== "link") return facts;
      this.confine(yield* call("realpath", absolute), path);
      return toFacts(yield* call("stat", absolute));
    } catch (error) {
      const failure = yield* this.failure(error, absolute);
      if (failure.code === "SOURCE_NOT_FOUND" && path !== "") return undefined;
      throw failure;
    }
  }

  /**
   * What went wrong with an entry, or with the listing of a folder. Below a root that is unmounted or replaced everything
   * looks deleted, and everything outside when a link has taken its place: so neither is said unless it is there.
   */
  *failure(error: unknown, absolute: string, wanted: "entry" | "folder" = "entry"): FsSteps<SourceError> {
    const failure = sourceError(error, absolute);
    const isDoubtful = failure.code === "SOURCE_NOT_FOUND" || failure.code === "SOURCE_OUTSIDE_ROOT";
    if (!isDoubtful || absolute === this.root) return failure;
    try {
      yield* this.#checkThere();
      if (failure.code === "SOURCE_OUTSIDE_ROOT") return failure;
      // The root may have been away at that moment and be back: then the file is, too.
      if (yield* exists(absolute, wanted))
        return new SourceError("SOURCE_NOT_READABLE", `${absolute} was away for a moment.`);
      yield* this.#checkThere();
      return failure;
    } catch (gone) {
      return sourceError(gone, absolute);
    }
  }

  /** @throws SourceError `SOURCE_OUTSIDE_ROOT` */
  confine(real: string, shown: string): void {
    if (real === this.root || this.root === sep || real.startsWith(this.#prefix)) return;
    throw new SourceError("SOURCE_OUTSIDE_ROOT", `${shown} leads outside the source folder ${this.root}.`);
  }

  absolute(path: string): string {
    if (path === "") return this.root;
    return this.#prefix + (sep === "/" ? path : path.split("/").join(sep));
  }

  *#checkThere(): FsSteps<void> {
    let now: BigIntStats | undefined;
    try {
      now = yield* call("lstat", this.root);
    } catch {
      // Away, or not to be seen: either way it is not there.
    }
    if (now?.ino === this.#identity.ino && now.dev === this.#identity.dev) return;
    throw new SourceError(
      "SOURCE_NOT_READABLE",
      `The source folder ${this.root} went away or was replaced. Is its disk mounted?`,
    );
  }
}

function* list(folder: string): FsSteps<FolderEntry[]> {
  const entries = yield* call("readdir", folder);
  // Decoding puts U+FFFD for bytes that are no UTF-8; a name may also hold a real one. Only then the bytes decide.
  const doubtful = entries.some((entry) => entry.name.includes("\ufffd"));
  return doubtful ? yield* readBytes(folder) : entries.map((entry) => toEntry(entry.name, true, entry));
}

function* readBytes(folder: string): FsSteps<FolderEntry[]> {
  const entries = yield* call("readdirBytes", folder);
  const names = new Set(entries.map((entry) => entry.name.toString("utf8")));
  return entries.map((entry) => {
    const bytes = entry.name;
    const name = bytes.toString("utf8");
    if (Buffer.from(name, "utf8").equals(bytes)) return toEntry(name, true, entry);
    let shown = renderBytes(bytes);
    // Another file may really have that name.
    while (names.has(shown)) shown += " ";
    return toEntry(shown, false, entry);
  });
}

function* exists(absolute: string, wanted: "entry" | "folder"): FsSteps<boolean> {
  try {
    const stats = yield* call("stat", absolute);
    return wanted === "entry" || stats.isDirectory();
  } catch {
    return false;
  }
}

export function toFacts(stats: BigIntStats): FileFacts {
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : stats.isSymbolicLink() ? "link" : "other";
  const { mtimeNs, ctimeNs, dev, ino } = stats;
  return { kind, size: Number(stats.size), mtimeNs, ctimeNs, dev, ino };
}

type Kinds = Pick<Dirent, "isFile" | "isDirectory" | "isSymbolicLink">;

function toEntry(name: string, validName: boolean, entry: Kinds): FolderEntry {
  const kind = entry.isFile() ? "file" : entry.isDirectory() ? "folder" : entry.isSymbolicLink() ? "link" : "other";
  return { name, kind, validName };
}

/** Shows bytes outside printable ASCII as `\xNN`, and the whole name in hex, so that no two names look alike. */
function renderBytes(bytes: Buffer): string {
  const readable = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
  );
  return `${readable.join("")} [${bytes.toString("hex")}]`;
}

const CODES: Readonly<Record<string, SourceError["code"]>> = {
  ENOENT: "SOURCE_NOT_FOUND",
  ENOTDIR: "SOURCE_NOT_FOUND",
  ELOOP: "SOURCE_NOT_REGULAR",
  ENXIO: "SOURCE_NOT_REGULAR",
};

export function sourceError(error: unknown, path: string): SourceError {
  if (error instanceof SourceError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  const known = CODES[code] ?? "SOURCE_NOT_READABLE";
  const what =
    known === "SOURCE_NOT_FOUND"
      ? "does not exist"
      : known === "SOURCE_NOT_REGULAR"
        ? "is no regular file"
        : `cannot be read (${code || message})`;
  return new SourceError(known, `${path} ${what}.`, { cause: error });
}
