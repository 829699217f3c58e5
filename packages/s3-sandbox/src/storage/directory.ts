import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Catalog } from "../catalog.ts";
import type { Change, Extent } from "../records.ts";
import { Journal } from "./journal.ts";
import { lockDirectory } from "./lock.ts";
import { type BlobWriter, type Storage, slices } from "./storage.ts";

/** Bodies up to this size are written in one synchronous call, which costs less than three asynchronous ones. */
const SMALL_BODY = 128 * 1024;
const READ_SIZE = 256 * 1024;

/**
 * Opens a directory and rebuilds the catalog from it.
 *
 * Layout: `journal.jsonl` holds every change in order, `blobs/` the bytes, `incoming/` bytes still on their way, `lock`
 * the owner. A write is: bytes into `incoming/`, rename into `blobs/`, one line in the journal. The line is what makes
 * it count: blobs that no line refers to are swept at the next start.
 */
export function openDirectory(directory: string, catalog: Catalog): Storage {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  try {
    const journal = Journal.open(join(directory, "journal.jsonl"), catalog);
    return new DirectoryStorage(directory, journal, catalog, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

class DirectoryStorage implements Storage {
  readonly #incoming: string;
  readonly #blobs: string;
  readonly #journal: Journal;
  readonly #unlock: () => void;

  constructor(directory: string, journal: Journal, catalog: Catalog, unlock: () => void) {
    this.#incoming = join(directory, "incoming");
    this.#blobs = join(directory, "blobs");
    this.#journal = journal;
    this.#unlock = unlock;
    rmSync(this.#incoming, { recursive: true, force: true });
    mkdirSync(this.#incoming, { recursive: true, mode: 0o700 });
    mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
    this.#sweep(catalog);
  }

  createBlob(): BlobWriter {
    const id = randomBytes(16).toString("hex");
    return new FileWriter(id, join(this.#incoming, id), () => this.#place(id));
  }

  async *read(extents: readonly Extent[], start: number, end: number): AsyncGenerator<Buffer> {
    for (const { blob, offset, length } of slices(extents, start, end)) {
      const file = await open(this.#path(blob), "r");
      try {
        for (let done = 0; done < length; ) {
          const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, length - done));
          const { bytesRead } = await file.read(buffer, 0, buffer.length, offset + done);
          if (bytesRead === 0) throw new Error(`The stored blob ${blob} is shorter than recorded.`);
          done += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    }
  }

  removeBlob(id: string): void {
    try {
      unlinkSync(this.#path(id));
    } catch {
      // A blob left behind is swept at the next start.
    }
  }

  record(change: Change): void {
    this.#journal.append(change);
  }

  async close(): Promise<void> {
    this.#journal.close();
    this.#unlock();
  }

  #path(id: string): string {
    return join(this.#blobs, id.slice(0, 2), id);
  }

  #place(id: string): string {
    const path = this.#path(id);
    mkdirSync(join(this.#blobs, id.slice(0, 2)), { recursive: true, mode: 0o700 });
    return path;
  }

  #sweep(catalog: Catalog): void {
    for (const shard of readdirSync(this.#blobs)) {
      for (const id of readdirSync(join(this.#blobs, shard))) {
        if (!catalog.refers(id)) rmSync(join(this.#blobs, shard, id), { force: true, recursive: true });
      }
    }
  }
}

class FileWriter implements BlobWriter {
  readonly #id: string;
  readonly #temporary: string;
  readonly #place: () => string;
  #pending: Buffer[] = [];
  #size = 0;
  #file: FileHandle | undefined;

  constructor(id: string, temporary: string, place: () => string) {
    this.#id = id;
    this.#temporary = temporary;
    this.#place = place;
  }

  write(chunk: Buffer): void | Promise<void> {
    this.#pending.push(chunk);
    this.#size += chunk.length;
    if (this.#size > SMALL_BODY) return this.#flush();
  }

  async finish(): Promise<string> {
    if (!this.#file) {
      writeFileSync(this.#temporary, Buffer.concat(this.#pending), { mode: 0o600 });
      renameSync(this.#temporary, this.#place());
      return this.#id;
    }
    await this.#flush();
    await this.#file.close();
    await rename(this.#temporary, this.#place());
    return this.#id;
  }

  async discard(): Promise<void> {
    this.#pending = [];
    if (!this.#file) return;
    await this.#file.close().catch(() => {});
    await unlink(this.#temporary).catch(() => {});
  }

  async #flush(): Promise<void> {
    this.#file ??= await open(this.#temporary, "wx", 0o600);
    const chunks = this.#pending;
    this.#pending = [];
    this.#size = 0;
    let rest = Buffer.concat(chunks);
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.write(rest);
      rest = rest.subarray(bytesWritten);
    }
  }
}
