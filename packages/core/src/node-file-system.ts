import * as nodeFs from "node:fs";
import { constants } from "node:fs";
import { resolve, sep } from "node:path";
import { SourceError } from "./errors.ts";
import { FolderCalls, type FsAnswer, type FsCall, type FsSteps, sourceError, toFacts } from "./folder-calls.ts";
import { HashedReads } from "./hashed-reads.ts";
import { NodeFolderChanges } from "./node-folder-changes.ts";
import { NodeOpenFile, SnapshotFile } from "./node-open-file.ts";
import type { FileFacts, FileSystem, FolderEntry, OpenFile, SourceRoot, WalkOrder } from "./ports/file-system.ts";
import type { ChangeResult, FilePlace, FolderChanges, FolderRoot } from "./ports/folder-changes.ts";
import { leadsTo } from "./real-path.ts";
import { Snapshots } from "./snapshots.ts";
import { SourceReader } from "./source-reader.ts";
import { drive } from "./steps.ts";
import { walkInThread } from "./threaded-walk.ts";
import type { ScanEntry } from "./tree-walk.ts";

/** The part of `node:fs` in use; memfs has it too. */
export type FsLike = Pick<typeof nodeFs, "promises" | "constants">;

/** The machine's file system. */
export class NodeFileSystem implements FileSystem, FolderChanges {
  readonly #fs: FsLike;
  readonly #changes: NodeFolderChanges;

  /** @param fs another implementation of `node:fs`, such as memfs; default: the real one */
  constructor(fs: FsLike = nodeFs) {
    this.#fs = fs;
    this.#changes = new NodeFolderChanges(fs);
  }

  async openRoot(path: string): Promise<SourceRoot> {
    const absolute = resolve(path);
    try {
      const real = await this.#fs.promises.realpath(absolute);
      const facts = toFacts(await this.#fs.promises.stat(real, { bigint: true }));
      if (facts.kind !== "folder") throw new SourceError("SOURCE_NOT_A_FOLDER", `${absolute} is not a folder.`);
      await this.#fs.promises.access(real, constants.R_OK | constants.X_OK);
      return new NodeSourceRoot(this.#fs, real, facts);
    } catch (error) {
      throw sourceError(error, absolute);
    }
  }

  async realPath(path: string): Promise<string> {
    return await leadsTo(this.#fs.promises, path);
  }

  async makeFolder(root: FolderRoot, path: string): Promise<void> {
    await this.#changes.makeFolder(root, path);
  }

  async moveFile(from: FilePlace, to: FilePlace, fingerprint: string): Promise<ChangeResult> {
    return await this.#changes.moveFile(from, to, fingerprint);
  }

  async removeFile(file: FilePlace, fingerprint: string): Promise<ChangeResult> {
    return await this.#changes.removeFile(file, fingerprint);
  }

  async removeEmptyFolders(root: FolderRoot, path: string): Promise<void> {
    await this.#changes.removeEmptyFolders(root, path);
  }
}

class NodeSourceRoot implements SourceRoot {
  readonly #fs: FsLike;
  readonly #calls: FolderCalls;
  /** Of the real disk only: a thread calls that, whatever this one calls. */
  readonly #thread: { readonly snapshots: Snapshots; readonly hashed: HashedReads } | undefined;
  readonly path: string;
  readonly facts: FileFacts;

  constructor(fs: FsLike, path: string, facts: FileFacts) {
    this.#fs = fs;
    this.#calls = new FolderCalls(path, facts);
    this.#thread = fs === nodeFs ? threadFor(path) : undefined;
    this.path = path;
    this.facts = facts;
  }

  async readFolder(path: string): Promise<FolderEntry[]> {
    return await this.#drive(this.#calls.readFolder(path));
  }

  async stat(path: string, options?: { readonly follow?: boolean }): Promise<FileFacts | undefined> {
    return await this.#drive(this.#calls.stat(path, options?.follow ?? false));
  }

  async walk(
    asked: SourceRoot,
    order: WalkOrder,
  ): Promise<AsyncGenerator<readonly ScanEntry[], void, void> | undefined> {
    // A thread calls the real disk, whatever this one calls.
    return asked === this && this.#fs === nodeFs ? await walkInThread(this, order) : undefined;
  }

  async open(path: string, options?: { readonly follow?: boolean }): Promise<OpenFile> {
    const absolute = this.#calls.absolute(path);
    const snapshot = await this.#thread?.snapshots.take(absolute, options?.follow ?? false);
    if (snapshot) return new SnapshotFile(snapshot);
    // O_NONBLOCK: opening a FIFO would wait for a writer. O_NOFOLLOW and O_NONBLOCK do not exist on Windows.
    const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
    const flags = O_RDONLY | O_NONBLOCK | (options?.follow ? 0 : O_NOFOLLOW);
    let handle: nodeFs.promises.FileHandle | undefined;
    try {
      handle = await this.#fs.promises.open(absolute, flags);
      const facts = toFacts(await handle.stat({ bigint: true }));
      if (facts.kind !== "file") throw new SourceError("SOURCE_NOT_REGULAR", `${absolute} is no regular file.`);
      await this.#checkInside(handle, absolute, facts);
      return new NodeOpenFile(handle, absolute, this.#thread?.hashed);
    } catch (error) {
      await handle?.close().catch(() => {});
      throw await this.#drive(this.#calls.failure(error, absolute));
    }
  }

  /** The descriptor must be the file that the path leads to now, and that path must lie inside the root. */
  async #checkInside(handle: nodeFs.promises.FileHandle, absolute: string, facts: FileFacts): Promise<void> {
    const opened = await this.#openedPath(handle);
    if (opened !== undefined) return this.#calls.confine(opened, absolute);
    const real = await this.#fs.promises.realpath(absolute);
    this.#calls.confine(real, absolute);
    const there = toFacts(await this.#fs.promises.stat(real, { bigint: true }));
    if (there.ino !== facts.ino || there.dev !== facts.dev) {
      throw new SourceError("SOURCE_CHANGED", `${absolute} was replaced while it was being opened.`);
    }
  }

  /** Where Linux says the descriptor leads; undefined where nobody says so, as in a container without /proc. */
  async #openedPath(handle: nodeFs.promises.FileHandle): Promise<string | undefined> {
    if (this.#fs.promises !== nodeFs.promises || process.platform !== "linux") return undefined;
    return await this.#fs.promises.readlink(`/proc/self/fd/${handle.fd}`).catch(() => undefined);
  }

  #drive<Result>(steps: FsSteps<Result>): Promise<Result> {
    return drive(steps, (call) => this.#answer(call));
  }

  #answer({ method, path }: FsCall): Promise<FsAnswer> {
    const { promises } = this.#fs;
    switch (method) {
      case "lstat":
        return promises.lstat(path, { bigint: true });
      case "stat":
        return promises.stat(path, { bigint: true });
      case "realpath":
        return promises.realpath(path);
      case "readdir":
        return promises.readdir(path, { withFileTypes: true });
      case "readdirBytes":
        return promises.readdir(path, { withFileTypes: true, encoding: "buffer" });
    }
  }
}

/** One thread reads the small files of a root whole, and hashes the bodies of large ones. */
function threadFor(path: string) {
  const reader = new SourceReader();
  return {
    snapshots: new Snapshots(path.endsWith(sep) ? path : path + sep, reader),
    hashed: new HashedReads(reader),
  };
}
