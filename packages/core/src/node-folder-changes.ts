import * as nodeFs from "node:fs";
import { constants } from "node:fs";
import { join, sep } from "node:path";
import { SourceError } from "./errors.ts";
import { isSameContent, sourceFacts, withoutDevice } from "./file.ts";
import { toFacts } from "./folder-calls.ts";
import type { FsLike } from "./node-file-system.ts";
import { parentPath } from "./paths.ts";
import type { FileFacts } from "./ports/file-system.ts";
import type { ChangeResult, FilePlace, FolderChanges, FolderRoot } from "./ports/folder-changes.ts";

/** On each disk the last move into each folder that is not over, by device and inode, whichever service of the process makes it. */
const LAST = new WeakMap<FsLike["promises"], Map<string, Promise<unknown>>>();

/** Somebody may remove an empty folder that was just made; after so many times it is no coincidence. */
const MAKES_AT_MOST = 3;

/**
 * Changes on a disk. A file is reached through the descriptor of its folder where the system has a way (Linux with /proc),
 * so that a folder that is replaced by a link meanwhile leads nowhere; elsewhere by its path, after every folder on the way
 * was looked at.
 *
 * Node.js has no rename that refuses to replace. A hard link would refuse, but needs the right to write the file
 * (`protected_hardlinks`), leaves two names when it dies half-way, and the unlink that follows could hit a new file. So
 * the name is looked at and then renamed to, one at a time per folder in a process, in folders into which only Bucketline
 * puts files.
 */
export class NodeFolderChanges implements FolderChanges {
  readonly #fs: FsLike;
  readonly #last: Map<string, Promise<unknown>>;

  constructor(fs: FsLike) {
    this.#fs = fs;
    this.#last = LAST.get(fs.promises) ?? new Map();
    LAST.set(fs.promises, this.#last);
  }

  async makeFolder(root: FolderRoot, path: string): Promise<void> {
    await this.#guarded(join(root.path, path), async () => {
      const folder = await this.#open(root, path, true);
      await folder?.close();
    });
  }

  async moveFile(from: FilePlace, to: FilePlace, fingerprint: string): Promise<ChangeResult> {
    return await this.#guarded(join(from.root.path, from.path), () => this.#move(from, to, fingerprint));
  }

  async removeFile(file: FilePlace, fingerprint: string): Promise<ChangeResult> {
    return await this.#guarded(join(file.root.path, file.path), async () => {
      const [folder, name] = await this.#folderOf(file, false);
      if (!folder) return "gone";
      try {
        const found = await this.#look(folder.at(name));
        if (!found || !isExpected(found, fingerprint)) return found ? "changed" : "gone";
        await this.#fs.promises.unlink(folder.at(name));
        return "done";
      } finally {
        await folder.close();
      }
    });
  }

  async removeEmptyFolders(root: FolderRoot, path: string): Promise<void> {
    for (let at = path; at !== ""; at = parentPath(at)) {
      const [folder, name] = await this.#folderOf({ root, path: at }, false).catch(() => [undefined, ""] as const);
      if (!folder) return;
      try {
        await this.#fs.promises.rmdir(folder.at(name));
      } catch {
        // Not empty, or not ours to remove: it stays, and so does what is above it.
        return;
      } finally {
        await folder.close();
      }
    }
  }

  async #move(from: FilePlace, to: FilePlace, fingerprint: string): Promise<ChangeResult> {
    const [source, name] = await this.#folderOf(from, false);
    if (!source) return "gone";
    try {
      for (let made = 1; ; made++) {
        const [target, newName] = await this.#folderOf(to, true);
        try {
          const rename = (folder: OpenFolder) => this.#rename(source.at(name), folder.at(newName), fingerprint);
          if (target) return await this.#inTurn(target, () => rename(target));
          if (made >= MAKES_AT_MOST)
            throw new SourceError("SOURCE_NOT_DISPOSED", `The folder of ${to.path} is taken away.`);
        } catch (error) {
          if (codeOf(error) !== "ENOENT" || made >= MAKES_AT_MOST) throw error;
        } finally {
          await target?.close();
        }
      }
    } finally {
      await source.close();
    }
  }

  /** One at a time: two files that were given the same name would both find it free. A disk that hangs holds up only itself. */
  async #inTurn<T>({ facts }: OpenFolder, change: () => Promise<T>): Promise<T> {
    const folder = `${facts.dev}:${facts.ino}`;
    const changed = (this.#last.get(folder) ?? Promise.resolve()).then(change);
    const over = changed.catch(() => {});
    this.#last.set(folder, over);
    try {
      return await changed;
    } finally {
      if (this.#last.get(folder) === over) this.#last.delete(folder);
    }
  }

  async #rename(from: string, to: string, fingerprint: string): Promise<ChangeResult> {
    const { rename } = this.#fs.promises;
    const expected = await this.#look(from);
    if (!expected || !isExpected(expected, fingerprint)) return expected ? "changed" : "gone";
    if (await this.#look(to)) return "taken";
    await rename(from, to);
    const moved = await this.#look(to).catch(() => undefined);
    if (!moved || isSameContent(sourceFacts(moved).fingerprint, fingerprint)) return "done";
    // Another file was put in place in the very last moment: back with it, unless there is a third one by now.
    if (!(await this.#look(from))) await rename(to, from);
    return "changed";
  }

  async #look(path: string): Promise<FileFacts | undefined> {
    try {
      return toFacts(await this.#fs.promises.lstat(path, { bigint: true }));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async #folderOf({ root, path }: FilePlace, make: boolean): Promise<readonly [OpenFolder | undefined, string]> {
    return [await this.#open(root, parentPath(path), make), path.slice(path.lastIndexOf("/") + 1)];
  }

  /** @returns undefined when it is not there, and is not to be made */
  async #open(root: FolderRoot, path: string, make: boolean): Promise<OpenFolder | undefined> {
    let folder = await this.#enter(root.path);
    if (folder?.facts.ino !== root.facts.ino || folder.facts.dev !== root.facts.dev) {
      await folder?.close();
      throw new SourceError("SOURCE_NOT_DISPOSED", `${root.path} is not the folder that it was. Is its disk mounted?`);
    }
    for (const name of path === "" ? [] : path.split("/")) {
      const outer: OpenFolder = folder;
      try {
        if (make) await this.#fs.promises.mkdir(outer.at(name)).catch(unlessThere);
        folder = await this.#enter(outer.at(name));
      } finally {
        await outer.close();
      }
      if (!folder) return undefined;
    }
    return folder;
  }

  /** @throws SourceError `SOURCE_NOT_DISPOSED` for a link, or what is no folder */
  async #enter(path: string): Promise<OpenFolder | undefined> {
    const seen = await this.#look(path);
    if (!seen) return undefined;
    if (seen.kind !== "folder") throw new SourceError("SOURCE_NOT_DISPOSED", `${path} is no folder.`);
    if (this.#fs.promises !== nodeFs.promises || process.platform !== "linux") return byPath(path, seen);
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
    const handle = await this.#fs.promises.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      const facts = toFacts(await handle.stat({ bigint: true }));
      const base = `/proc/self/fd/${handle.fd}`;
      if (!(await this.#fs.promises.stat(base).catch(() => undefined))) {
        await handle.close();
        return byPath(path, facts);
      }
      return { facts, at: (name) => `${base}/${name}`, close: () => handle.close() };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #guarded<T>(path: string, change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (error) {
      if (error instanceof SourceError) throw error;
      const { message } = error as Error;
      const why = codeOf(error) ?? message;
      throw new SourceError("SOURCE_NOT_DISPOSED", `${path} cannot be moved or deleted (${why}).`, { cause: error });
    }
  }
}

/** A folder that is held while names in it are changed. */
interface OpenFolder {
  readonly facts: FileFacts;
  at(name: string): string;
  close(): Promise<void>;
}

function byPath(path: string, facts: FileFacts): OpenFolder {
  const prefix = path.endsWith(sep) ? path : path + sep;
  return { facts, at: (name) => prefix + name, close: () => Promise.resolve() };
}

function isExpected(facts: FileFacts, fingerprint: string): boolean {
  return facts.kind === "file" && withoutDevice(sourceFacts(facts).fingerprint) === withoutDevice(fingerprint);
}

function unlessThere(error: unknown): void {
  if (codeOf(error) !== "EEXIST") throw error;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
