import type { SourceRoot } from "./file-system.ts";

/** A folder that was opened, and is still the same one. */
export type FolderRoot = Pick<SourceRoot, "path" | "facts">;

/** A file below a folder. The path is relative, with "/". */
export interface FilePlace {
  readonly root: FolderRoot;
  readonly path: string;
}

/**
 * What became of it. `done` · `gone`: nothing is there · `changed`: what is there is not the file that was expected, and
 * was left alone · `taken`: the name at the destination is in use, and nothing was done.
 */
export type ChangeResult = "done" | "gone" | "changed" | "taken";

/**
 * Moves and deletes regular files, for uploads that do so with their sources. Optional for a `FileSystem`: with one that
 * lacks any of these methods such uploads are refused.
 *
 * Guarantees:
 * - Only a regular file is touched, and only if it is the expected one at that moment: same inode, size, mtime and ctime.
 * - The root must still be the folder that was opened, and no folder between it and the file may be a link: nothing outside
 *   is ever touched, whatever is swapped in meanwhile.
 * - Each call is one step for everybody who looks: a file is at the one place or at the other.
 * - A name that is in use at the destination is not replaced, as long as nobody else puts names there.
 *
 * Every method throws SourceError `SOURCE_NOT_DISPOSED` for what the system refuses (permissions, another device, no space),
 * and when the root is not the same folder any more.
 */
export interface FolderChanges {
  /** Makes the folder, and those above it up to the root; does nothing if it is there. */
  makeFolder(root: FolderRoot, path: string): Promise<void>;
  /**
   * Renames one file; makes the folders above the destination.
   * @param fingerprint of the expected file; its device number does not count
   */
  moveFile(from: FilePlace, to: FilePlace, fingerprint: string): Promise<ChangeResult>;
  /** Deletes one file. @param fingerprint as of `moveFile` */
  removeFile(file: FilePlace, fingerprint: string): Promise<ChangeResult>;
  /** Deletes the folder if it is empty, then those above it that are empty then, never the root. */
  removeEmptyFolders(root: FolderRoot, path: string): Promise<void>;
}

const METHODS = ["makeFolder", "moveFile", "removeFile", "removeEmptyFolders"] as const;

/** The changes that a file system can make; undefined when it can only read. */
export function changesOf<T extends Partial<FolderChanges>>(fileSystem: T): (T & FolderChanges) | undefined {
  const isAble = (candidate: T): candidate is T & FolderChanges =>
    METHODS.every((name) => typeof candidate[name] === "function");
  return isAble(fileSystem) ? fileSystem : undefined;
}
