import { SourceError } from "../errors.ts";
import { sourceFacts, withoutDevice } from "../file.ts";
import { joinPath, parentPath } from "../paths.ts";
import type { Clock } from "../ports/clock.ts";
import type { FileFacts, FileSystem, FolderEntry, OpenFile, SourceRoot } from "../ports/file-system.ts";
import type { ChangeResult, FilePlace, FolderChanges, FolderRoot } from "../ports/folder-changes.ts";

interface Inode {
  readonly ino: bigint;
  bytes: Uint8Array;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

const DEVICE = 1n;

/** Settings of a MemoryFileSystem. */
export interface MemoryFileSystemOptions {
  /**
   * Absolute path of the folder whose files these are; other folders that are opened must lie in it. Default: whatever is
   * opened is this one folder.
   */
  readonly root?: string;
}

/**
 * One source folder in memory, with the manners of a real disk: an open file stays the file that it was when its name is
 * removed or given to another, every change moves the ctime, and reads see whatever stands there at that moment.
 * Deterministic: times come from the clock.
 */
export class MemoryFileSystem implements FileSystem, FolderChanges {
  readonly #clock: Pick<Clock, "now">;
  readonly #root: string | undefined;
  readonly #files = new Map<string, Inode>();
  /** Folders that were made, and stand even when they are empty. */
  readonly #folders = new Set<string>();
  #ticks = 0n;
  #inodes = 1n;
  /** False while the folder is gone, as with an unmounted disk. */
  mounted = true;

  constructor(clock: Pick<Clock, "now">, { root }: MemoryFileSystemOptions = {}) {
    this.#clock = clock;
    this.#root = root;
  }

  /** Paths of all files, in no particular order. */
  get paths(): string[] {
    return [...this.#files.keys()];
  }

  content(path: string): Uint8Array | undefined {
    return this.#files.get(path)?.bytes;
  }

  /** Writes in place: open descriptors see it. @param keepTime leaves the mtime as it was */
  write(path: string, bytes: Uint8Array, keepTime = false): void {
    const file = this.#files.get(path) ?? this.#create(path);
    file.bytes = bytes;
    this.#changed(file, keepTime);
  }

  /** Puts a new file in place of the old one, in one step: open descriptors keep the old one. */
  replace(path: string, bytes: Uint8Array): void {
    const old = this.#files.get(path);
    const file = this.#create(path);
    file.bytes = bytes;
    this.#changed(file, false);
    if (old) this.#changed(old, true);
  }

  /** Sets the mtime, in milliseconds since 1970. */
  touch(path: string, mtimeMs: number): void {
    const file = this.#files.get(path);
    if (!file) return;
    this.#changed(file, true);
    file.mtimeNs = BigInt(Math.round(mtimeMs * 1e6));
  }

  remove(path: string): void {
    const file = this.#files.get(path);
    this.#files.delete(path);
    if (file) this.#changed(file, true);
  }

  async openRoot(path: string): Promise<SourceRoot> {
    await Promise.resolve();
    const base = this.#below(path);
    if (!this.mounted || base === undefined || !this.#isFolder(base))
      throw new SourceError("SOURCE_NOT_FOUND", `${path} does not exist.`);
    return {
      path,
      facts: folderFacts(base),
      readFolder: (folder) => this.#readFolder(joinPath(base, folder)),
      stat: (file) => this.#stat(joinPath(base, file), file === ""),
      open: (file) => this.#open(joinPath(base, file)),
    };
  }

  async makeFolder(root: FolderRoot, path: string): Promise<void> {
    await Promise.resolve();
    this.#checkMounted(path);
    for (let folder = this.#at({ root, path }); folder !== ""; folder = parentPath(folder)) this.#folders.add(folder);
  }

  async moveFile(from: FilePlace, to: FilePlace, fingerprint: string): Promise<ChangeResult> {
    await Promise.resolve();
    this.#checkMounted(from.path);
    const [source, target] = [this.#at(from), this.#at(to)];
    const file = this.#files.get(source);
    if (!file || !isExpected(file, fingerprint)) return file ? "changed" : "gone";
    if (this.#files.has(target) || this.#isFolder(target)) return "taken";
    this.#files.delete(source);
    this.#files.set(target, file);
    this.#changed(file, true);
    return "done";
  }

  async removeFile(place: FilePlace, fingerprint: string): Promise<ChangeResult> {
    await Promise.resolve();
    this.#checkMounted(place.path);
    const path = this.#at(place);
    const file = this.#files.get(path);
    if (!file || !isExpected(file, fingerprint)) return file ? "changed" : "gone";
    this.remove(path);
    return "done";
  }

  async removeEmptyFolders(root: FolderRoot, path: string): Promise<void> {
    await Promise.resolve();
    for (let at = path; at !== ""; at = parentPath(at)) {
      const folder = this.#at({ root, path: at });
      if ([...this.#files.keys(), ...this.#folders].some((other) => other.startsWith(`${folder}/`))) return;
      this.#folders.delete(folder);
    }
  }

  /** Of an absolute path; undefined: it lies elsewhere. */
  #below(path: string): string | undefined {
    if (this.#root === undefined || path === this.#root) return "";
    const prefix = this.#root.endsWith("/") ? this.#root : `${this.#root}/`;
    return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
  }

  #at({ root, path }: FilePlace): string {
    return joinPath(this.#below(root.path) ?? "", path);
  }

  #isFolder(path: string): boolean {
    return path === "" || this.#folders.has(path) || this.paths.some((other) => other.startsWith(`${path}/`));
  }

  /** There are no links. */
  async realPath(path: string): Promise<string> {
    return await Promise.resolve(path);
  }

  async #readFolder(folder: string): Promise<FolderEntry[]> {
    await Promise.resolve();
    const prefix = folder === "" ? "" : `${folder}/`;
    this.#checkMounted(folder);
    const entries = new Map<string, FolderEntry>();
    for (const path of this.#files.keys()) {
      if (!path.startsWith(prefix)) continue;
      const [name = "", ...below] = path.slice(prefix.length).split("/");
      entries.set(name, { name, kind: below.length > 0 ? "folder" : "file", validName: true });
    }
    for (const path of this.#folders) {
      if (!path.startsWith(prefix) || path === folder) continue;
      const [name = ""] = path.slice(prefix.length).split("/");
      entries.set(name, { name, kind: "folder", validName: true });
    }
    return [...entries.values()];
  }

  async #stat(path: string, isRoot: boolean): Promise<FileFacts | undefined> {
    await Promise.resolve();
    this.#checkMounted(path);
    const file = this.#files.get(path);
    if (file) return factsOf(file);
    return isRoot || this.#isFolder(path) ? folderFacts(path) : undefined;
  }

  async #open(path: string): Promise<OpenFile> {
    await Promise.resolve();
    this.#checkMounted(path);
    const file = this.#files.get(path);
    if (!file) throw new SourceError("SOURCE_NOT_FOUND", `${path} does not exist.`);
    return {
      async stat() {
        await Promise.resolve();
        return factsOf(file);
      },
      async read(target, position) {
        await Promise.resolve();
        const piece = file.bytes.subarray(position, position + target.length);
        target.set(piece);
        return piece.length;
      },
      async close() {},
    };
  }

  /** As NodeFileSystem says it: below a root that went away nothing counts as deleted. */
  #checkMounted(path: string): void {
    if (!this.mounted) throw new SourceError("SOURCE_NOT_READABLE", `The source folder of ${path} went away.`);
  }

  #create(path: string): Inode {
    const file: Inode = { ino: ++this.#inodes, bytes: new Uint8Array(), mtimeNs: 0n, ctimeNs: 0n };
    this.#files.set(path, file);
    return file;
  }

  #changed(file: Inode, keepTime: boolean): void {
    // No two changes share a ctime, however fast they follow each other.
    file.ctimeNs = BigInt(Math.round(this.#clock.now())) * 1_000_000n + (++this.#ticks % 1_000_000n);
    if (!keepTime) file.mtimeNs = file.ctimeNs;
  }
}

function isExpected(file: Inode, fingerprint: string): boolean {
  return withoutDevice(sourceFacts(factsOf(file)).fingerprint) === withoutDevice(fingerprint);
}

function factsOf(file: Inode): FileFacts {
  const { ino, mtimeNs, ctimeNs } = file;
  return { kind: "file", size: file.bytes.length, mtimeNs, ctimeNs, dev: DEVICE, ino };
}

function folderFacts(path: string): FileFacts {
  return { kind: "folder", size: 0, mtimeNs: 0n, ctimeNs: 0n, dev: DEVICE, ino: BigInt(path.length) };
}
