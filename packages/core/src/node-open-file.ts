import type { promises } from "node:fs";
import { crc32Of } from "./checksum.ts";
import { sourceError, toFacts } from "./folder-calls.ts";
import type { HashedReads } from "./hashed-reads.ts";
import type { FileFacts, HashedBytes, OpenFile } from "./ports/file-system.ts";
import type { Snapshot } from "./snapshot-batch.ts";

/** A small file that has been read already. */
export class SnapshotFile implements OpenFile {
  readonly snapshot: Snapshot;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
  }

  async stat(): Promise<FileFacts> {
    return this.snapshot.facts;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const bytes = this.snapshot.bytes.subarray(position, position + target.length);
    target.set(bytes);
    return bytes.length;
  }

  async close(): Promise<void> {}
}

/** A descriptor. */
export class NodeOpenFile implements OpenFile {
  readonly #handle: promises.FileHandle;
  readonly #path: string;
  readonly #hashed: HashedReads | undefined;
  /** Reads that another thread may be at. */
  #elsewhere = 0;
  #isClosed = false;

  /** @param hashed of the real disk only */
  constructor(handle: promises.FileHandle, path: string, hashed: HashedReads | undefined) {
    this.#handle = handle;
    this.#path = path;
    this.#hashed = hashed;
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

  async readHashed(
    target: Uint8Array<ArrayBuffer>,
    position: number,
    withSha256: boolean,
  ): Promise<HashedBytes | undefined> {
    if (!this.#hashed || this.#isClosed) return undefined;
    const { length } = target;
    this.#elsewhere += 1;
    try {
      const hashed = await this.#hashed.take(this.#handle.fd, target, position, withSha256);
      if (hashed !== "failed") return hashed;
    } finally {
      this.#elsewhere -= 1;
      if (this.#isClosed) void this.#close();
    }
    // The long way, which says what is wrong.
    const bytes = Buffer.allocUnsafeSlow(length);
    const read = await this.read(bytes, position);
    return { bytes, read, crc32: crc32Of(bytes.subarray(0, read)) };
  }

  /** Not before the thread is through with it, so that its number cannot become another file's; nobody waits for that. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#close();
  }

  async #close(): Promise<void> {
    if (this.#elsewhere === 0) await this.#handle.close().catch(() => {});
  }
}
