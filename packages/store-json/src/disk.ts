import { constants, statSync } from "node:fs";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/** A new file that grows at its end. */
export interface DiskFile {
  /** Tells it from every other file, whatever its name. */
  readonly identity: string;
  append(bytes: Uint8Array): Promise<void>;
  /** What was appended survives a power cut from here on. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** One folder. Files are made under a name of their own and never changed but at their end; a rename puts them in place. */
export interface Disk {
  names(): Promise<string[]>;
  /** From the first byte to the last, in pieces. */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Mode 0600. Fails when the name is taken. */
  create(name: string): Promise<DiskFile>;
  /** Replaces what stands at `to`. */
  rename(from: string, to: string): Promise<void>;
  /** Does nothing when there is no such file. */
  remove(name: string): Promise<void>;
  /** Names survive a power cut from here on. */
  sync(): Promise<void>;
  /** As DiskFile's; undefined when there is no such file. */
  identity(name: string): string | undefined;
}

/** Large enough that a disk streams, small enough that handling a piece does not hold up the event loop. */
const PIECE_BYTES = 256 * 1024;

export class NodeDisk implements Disk {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  names(): Promise<string[]> {
    return readdir(this.#folder);
  }

  async *read(name: string): AsyncIterable<Uint8Array> {
    const handle = await open(join(this.#folder, name), "r");
    try {
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, null);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  async create(name: string): Promise<DiskFile> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
    const handle = await open(join(this.#folder, name), flags, 0o600);
    try {
      const { dev, ino } = await handle.stat({ bigint: true });
      return new NodeFile(handle, `${dev}:${ino}`);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  rename(from: string, to: string): Promise<void> {
    return rename(join(this.#folder, from), join(this.#folder, to));
  }

  remove(name: string): Promise<void> {
    return rm(join(this.#folder, name), { force: true });
  }

  sync(): Promise<void> {
    return syncFolder(this.#folder);
  }

  identity(name: string): string | undefined {
    return identityOf(join(this.#folder, name));
  }
}

class NodeFile implements DiskFile {
  readonly identity: string;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, identity: string) {
    this.#handle = handle;
    this.identity = identity;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, null);
      done += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** @returns undefined when there is no file */
export function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** So that its entries survive a power cut. Windows cannot open folders, and does not need to. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
