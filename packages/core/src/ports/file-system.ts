import type { PatternSpec } from "../patterns.ts";
import type { Frame, ScanEntry } from "../tree-walk.ts";
import type { FolderChanges } from "./folder-changes.ts";

/** What a stat says of one directory entry. Times in nanoseconds, sizes in bytes. */
export interface FileFacts {
  readonly kind: EntryKind;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
}

/** What a name in a folder stands for. */
export type EntryKind = "file" | "folder" | "link" | "other";

/** One name in a folder, as listing the folder tells it. */
export interface FolderEntry {
  /** The entry's name. Where the bytes on disk are no valid UTF-8: a readable rendering that cannot be opened. */
  readonly name: string;
  readonly kind: EntryKind;
  /** False when the name's bytes are not valid UTF-8, so that no S3 key can carry it. */
  readonly validName: boolean;
}

/**
 * One source folder, pinned by its real path. Relative paths use "/" and never start with it; "" is the folder itself.
 *
 * Guarantees: no method blocks on FIFOs, sockets or devices. `open` only ever hands out a regular file that lies inside
 * the root *as opened*: the check is made on the open descriptor, so a swapped folder or link cannot lead outside.
 */
export interface SourceRoot {
  /** Absolute real path. */
  readonly path: string;
  /** Identity of the folder when it was opened. */
  readonly facts: FileFacts;
  /**
   * Entries of one folder, in no particular order.
   * @throws SourceError `SOURCE_NOT_FOUND`, `SOURCE_NOT_A_FOLDER`, `SOURCE_NOT_READABLE`
   */
  readFolder(path: string): Promise<FolderEntry[]>;
  /**
   * Facts of one entry, of a link's target when `follow` is true.
   * @returns undefined when there is no such entry (any more)
   * @throws SourceError `SOURCE_NOT_READABLE`, `SOURCE_OUTSIDE_ROOT` (a followed link leads outside)
   */
  stat(path: string, options?: { readonly follow?: boolean }): Promise<FileFacts | undefined>;
  /**
   * Opens one regular file for reading.
   * @throws SourceError `SOURCE_NOT_FOUND`, `SOURCE_NOT_READABLE`, `SOURCE_NOT_REGULAR`, `SOURCE_OUTSIDE_ROOT`
   */
  open(path: string, options?: { readonly follow?: boolean }): Promise<OpenFile>;
  /**
   * Optional, for speed: goes on with a walk of this folder, and yields exactly what `readFolder` and `stat` would lead to.
   * @param asked the root that was asked; one that wraps this one wants to see the calls, and gets undefined
   * @returns undefined when it cannot be done; then the walk goes on without it
   */
  walk?(asked: SourceRoot, order: WalkOrder): Promise<AsyncGenerator<readonly ScanEntry[], void, void> | undefined>;
}

/** A walk that has begun. */
export interface WalkOrder {
  readonly patterns: PatternSpec;
  readonly followLinks: boolean;
  /** Where it stands: the open folders, the innermost last. */
  readonly frames: readonly Frame[];
  /** Ends the walk with its reason, at once. */
  readonly signal?: AbortSignal | undefined;
}

/** A descriptor, or all bytes of a small file as they were at one moment. */
export interface OpenFile {
  /** Set when all its bytes were read already: what `stat` and `read` give, without waiting. */
  readonly snapshot?: { readonly facts: FileFacts; readonly bytes: Uint8Array };
  /** Facts of the open descriptor now, or of that moment: they stayed the same from before the first byte to after the last. */
  stat(): Promise<FileFacts>;
  /** Fills `target` from byte `position`; returns how many bytes it got, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Optional, for speed: reads as `read` does, and hashes what it reads, elsewhere than on the host's thread.
   * @param target has its memory for itself. It may be taken away: then `bytes` are in its place, as many, and `target` is empty
   * @returns undefined when it is not worth it; `target` is as it was then
   */
  readHashed?(target: Uint8Array<ArrayBuffer>, position: number, withSha256: boolean): Promise<HashedBytes | undefined>;
  close(): Promise<void>;
}

/** What was read, and its hashes. */
export interface HashedBytes {
  readonly bytes: Buffer<ArrayBuffer>;
  /** How many of them are of the file; fewer than there are only at its end. */
  readonly read: number;
  /** Of those, as zlib has it. */
  readonly crc32: number;
  /** In hex; undefined: whoever needs it computes it. */
  readonly sha256?: string | undefined;
}

/**
 * Where source folders live. `NodeFileSystem` is the real one; tests hand it another `fs` (memfs). The methods of
 * `FolderChanges` are only needed for uploads that move or delete their source files.
 */
export interface FileSystem extends Partial<FolderChanges> {
  /**
   * Opens a source folder.
   * @throws SourceError `SOURCE_NOT_FOUND`, `SOURCE_NOT_A_FOLDER`, `SOURCE_NOT_READABLE`
   */
  openRoot(path: string): Promise<SourceRoot>;
  /**
   * Only needed for `allowedRoots`: the absolute path to which a path leads once every link in it is followed. Below what
   * does not exist, or may not be looked at, names are taken as they are written; it never throws for what is not there.
   */
  realPath?(path: string): Promise<string>;
}
