import * as nodeFs from "node:fs";
import { constants } from "node:fs";
import { resolve, sep } from "node:path";
import { SourceError } from "./errors.ts";
import type { FileFacts, FileSystem, FolderEntry, OpenFile, SourceRoot } from "./ports/file-system.ts";

/** The part of `node:fs` in use; memfs has it too. */
export type FsLike = Pick<typeof nodeFs, "promises" | "constants">;

type BigStats = nodeFs.BigIntStats;

/** The machine's file system. */
export class NodeFileSystem implements FileSystem {
  readonly #fs: FsLike;

  /** @param fs another implementation of `node:fs`, such as memfs; default: the real one */
  constructor(fs: FsLike = nodeFs) {
    this.#fs = fs;
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
}

class NodeSourceRoot implements SourceRoot {
  readonly #fs: FsLike;
  readonly path: string;
  readonly facts: FileFacts;

  constructor(fs: FsLike, path: string, facts: FileFacts) {
    this.#fs = fs;
    this.path = path;
    this.facts = facts;
  }

  async readFolder(path: string): Promise<FolderEntry[]> {
    const folder = this.#absolute(path);
    try {
      const entries = await this.#fs.promises.readdir(folder, { withFileTypes: true });
      if (path === "") await this.#checkThere();
      // Decoding puts U+FFFD for bytes that are no UTF-8; a name may also hold a real one. Only then the bytes decide.
      const doubtful = entries.some((entry) => entry.name.includes("\ufffd"));
      return doubtful ? await this.#readBytes(folder) : entries.map((entry) => toEntry(entry.name, true, entry));
    } catch (error) {
      throw await this.#failure(error, folder);
    }
  }

  async #readBytes(folder: string): Promise<FolderEntry[]> {
    const entries = await this.#fs.promises.readdir(folder, { withFileTypes: true, encoding: "buffer" });
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

  async stat(path: string, options?: { readonly follow?: boolean }): Promise<FileFacts | undefined> {
    const absolute = this.#absolute(path);
    try {
      const facts = toFacts(await this.#fs.promises.lstat(absolute, { bigint: true }));
      if (!options?.follow || facts.kind !== "link") return facts;
      await this.#confine(await this.#fs.promises.realpath(absolute), path);
      return toFacts(await this.#fs.promises.stat(absolute, { bigint: true }));
    } catch (error) {
      const failure = await this.#failure(error, absolute);
      if (failure.code === "SOURCE_NOT_FOUND" && path !== "") return undefined;
      throw failure;
    }
  }

  async open(path: string, options?: { readonly follow?: boolean }): Promise<OpenFile> {
    const absolute = this.#absolute(path);
    // O_NONBLOCK: opening a FIFO would wait for a writer. O_NOFOLLOW and O_NONBLOCK do not exist on Windows.
    const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
    const flags = O_RDONLY | O_NONBLOCK | (options?.follow ? 0 : O_NOFOLLOW);
    let handle: nodeFs.promises.FileHandle | undefined;
    try {
      handle = await this.#fs.promises.open(absolute, flags);
      const facts = toFacts(await handle.stat({ bigint: true }));
      if (facts.kind !== "file") throw new SourceError("SOURCE_NOT_REGULAR", `${absolute} is no regular file.`);
      await this.#checkInside(handle, absolute, facts);
      return new NodeOpenFile(handle, absolute);
    } catch (error) {
      await handle?.close().catch(() => {});
      throw await this.#failure(error, absolute);
    }
  }

  /** Below a root that is unmounted or replaced everything looks deleted, so "not found" is said only while it is there. */
  async #failure(error: unknown, absolute: string): Promise<SourceError> {
    const failure = sourceError(error, absolute);
    if (failure.code !== "SOURCE_NOT_FOUND" || absolute === this.path) return failure;
    return await this.#checkThere().then(
      () => failure,
      (gone: unknown) => sourceError(gone, absolute),
    );
  }

  async #checkThere(): Promise<void> {
    const now = await this.#fs.promises.lstat(this.path, { bigint: true }).catch(() => undefined);
    if (now?.ino === this.facts.ino && now.dev === this.facts.dev) return;
    throw new SourceError(
      "SOURCE_NOT_READABLE",
      `The source folder ${this.path} went away or was replaced. Is its disk mounted?`,
    );
  }

  /** The descriptor must be the file that the path leads to now, and that path must lie inside the root. */
  async #checkInside(handle: nodeFs.promises.FileHandle, absolute: string, facts: FileFacts): Promise<void> {
    const opened = await this.#openedPath(handle);
    if (opened !== undefined) return await this.#confine(opened, absolute);
    const real = await this.#fs.promises.realpath(absolute);
    await this.#confine(real, absolute);
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

  async #confine(real: string, shown: string): Promise<void> {
    const inside =
      real === this.path || this.path === sep || real.startsWith(this.path.endsWith(sep) ? this.path : this.path + sep);
    if (!inside) throw new SourceError("SOURCE_OUTSIDE_ROOT", `${shown} leads outside the source folder ${this.path}.`);
  }

  #absolute(path: string): string {
    if (path === "") return this.path;
    return (this.path.endsWith(sep) ? this.path : this.path + sep) + path.split("/").join(sep);
  }
}

class NodeOpenFile implements OpenFile {
  readonly #handle: nodeFs.promises.FileHandle;
  readonly #path: string;

  constructor(handle: nodeFs.promises.FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  async stat(): Promise<FileFacts> {
    try {
      return toFacts(await this.#handle.stat({ bigint: true }));
    } catch (error) {
      throw sourceError(error, this.#path);
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    try {
      while (filled < target.length) {
        const { bytesRead } = await this.#handle.read(target, filled, target.length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    } catch (error) {
      throw sourceError(error, this.#path);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => {});
  }
}

function toFacts(stats: BigStats): FileFacts {
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : stats.isSymbolicLink() ? "link" : "other";
  const { mtimeNs, ctimeNs, dev, ino } = stats;
  return { kind, size: Number(stats.size), mtimeNs, ctimeNs, dev, ino };
}

type Kinds = Pick<nodeFs.Dirent, "isFile" | "isDirectory" | "isSymbolicLink">;

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

function sourceError(error: unknown, path: string): SourceError {
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
