import { type Snapshot, type SnapshotOrder, type SnapshotReply, snapshotAt } from "./snapshot-batch.ts";
import type { SourceReader } from "./source-reader.ts";

/** Bytes. Larger files are read piece by piece, under the bound that all bodies share. */
const LARGEST = 64 * 1024;
/** Files per message: what waits longer than it has to costs more than a message. */
const BATCH = 32;
/** Files that are opened one by one first: a thread takes as long to start as some hundred of them. */
const BEFORE = 64;

interface Waiting {
  readonly path: string;
  readonly follow: boolean;
  readonly settle: (snapshot: Snapshot | undefined) => void;
}

/**
 * Reads small files whole in their root's thread, many with one message. Whatever is not simple is left to the caller.
 */
export class Snapshots {
  readonly #prefix: string;
  readonly #reader: SourceReader;
  #line: Waiting[] = [];
  #isAsking = false;
  #opened = 0;

  /** @param prefix absolute real path of the root, with a separator at its end */
  constructor(prefix: string, reader: SourceReader) {
    this.#prefix = prefix;
    this.#reader = reader;
  }

  /** @returns undefined when the file has to be opened: it is large, special, elsewhere, not there, or being written */
  async take(path: string, follow: boolean): Promise<Snapshot | undefined> {
    this.#opened += 1;
    // There can be no such file; a message has NUL between its paths.
    if (path.includes("\0")) return undefined;
    // Only there it is known where a descriptor leads.
    if (process.platform !== "linux") return undefined;
    if (!this.#reader.isRunning && (this.#opened <= BEFORE || !this.#reader.start())) return undefined;
    this.#reader.enter();
    return await new Promise((settle) => {
      this.#line.push({ path, follow, settle });
      if (!this.#isAsking && this.#line.length === 1) this.#askSoon();
    });
  }

  /** What is asked for in this turn of the event loop goes together: to wake a thread costs more than the reading. */
  #askSoon(): void {
    setImmediate(() => this.#ask());
  }

  #ask(): void {
    const [first] = this.#line;
    if (this.#isAsking || !first) return;
    const { follow } = first;
    const others = this.#line.findIndex((waiting) => waiting.follow !== follow);
    const asked = this.#line.splice(0, Math.min(BATCH, others < 0 ? BATCH : others));
    const paths = asked.map(({ path }) => path).join("\0");
    const order: SnapshotOrder = { prefix: this.#prefix, paths, follow, limit: LARGEST };
    this.#isAsking = true;
    void this.#reader.ask<SnapshotReply>(order).then((reply) => this.#told(asked, reply));
  }

  #told(asked: readonly Waiting[], reply: SnapshotReply | undefined): void {
    this.#isAsking = false;
    for (const [index, { settle }] of asked.entries()) settle(reply && snapshotAt(reply, index));
    this.#askSoon();
    this.#reader.leave(asked.length);
  }
}
