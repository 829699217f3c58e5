import pLimit from "p-limit";
import type { HashedBytes } from "./ports/file-system.ts";
import type { SourceReader } from "./source-reader.ts";

/** What a thread is asked to read and to hash. */
export interface BodyOrder {
  readonly descriptor: number;
  readonly position: number;
  /** To be filled; changes hands without being copied. */
  readonly target: Uint8Array<ArrayBuffer>;
  readonly withSha256: boolean;
}

export interface BodyReply {
  readonly target: Uint8Array<ArrayBuffer>;
  /** False: reading failed. */
  readonly isRead: boolean;
  /** Bytes; fewer than there is room for only at the end of the file. */
  readonly read: number;
  readonly crc32: number;
  readonly sha256: string | undefined;
  /** How long the reading alone took, in milliseconds. */
  readonly readMs: number;
}

/** Bytes. The message costs more than a thread saves of what is shorter. */
const LEAST = 1024 * 1024;
/** Bytes that are read without a thread first: it takes as long to start. */
const BEFORE = 32 * 1024 * 1024;
/** With the thread at once: it never waits for the next, and small files never wait for many. */
const AT_ONCE = 2;
/** Bytes per millisecond. What comes slower has to be waited for, and then several reads at once are faster than one thread. */
const FROM_MEMORY = 500_000;
/** Milliseconds for which the machine may have been busy with something else. */
const BUSY_MS = 5;
/** Bodies that are read without the thread after one that had to be waited for. */
const SLOW = 8;

/**
 * Reads bodies and hashes them in their root's thread, slice by slice, while the bytes are in the core's cache; the host's
 * events are handled meanwhile. What is in memory already, that is: a disk is left to several reads at once.
 */
export class HashedReads {
  readonly #reader: SourceReader;
  readonly #turn = pLimit(AT_ONCE);
  #before = BEFORE;
  #slow = 0;

  constructor(reader: SourceReader) {
    this.#reader = reader;
  }

  /**
   * @param descriptor stays open until it is settled
   * @param target has its memory for itself, which it loses unless undefined comes back
   * @returns "failed" when it has to be read again, into other memory · undefined when it is not worth it
   */
  async take(
    descriptor: number,
    target: Uint8Array<ArrayBuffer>,
    position: number,
    withSha256: boolean,
  ): Promise<HashedBytes | "failed" | undefined> {
    if (!this.#isWorth(target.length)) return undefined;
    this.#reader.enter();
    try {
      const order: BodyOrder = { descriptor, target, position, withSha256 };
      const reply = await this.#turn(() => this.#reader.ask<BodyReply>(order, [target.buffer]));
      if (!reply?.isRead) return "failed";
      if (reply.readMs > BUSY_MS + reply.read / FROM_MEMORY) this.#slow = SLOW;
      const { buffer, byteOffset, length } = reply.target;
      return { bytes: Buffer.from(buffer, byteOffset, length), ...pick(reply) };
    } finally {
      this.#reader.leave();
    }
  }

  #isWorth(length: number): boolean {
    if (length < LEAST) return false;
    this.#before -= length;
    if (this.#slow > 0) {
      this.#slow -= 1;
      return false;
    }
    return this.#reader.isRunning || (this.#before < 0 && this.#reader.start());
  }
}

function pick({ read, crc32, sha256 }: BodyReply): Omit<HashedBytes, "bytes"> {
  return { read, crc32, sha256 };
}
