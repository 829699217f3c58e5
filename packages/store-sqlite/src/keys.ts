import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { Database, Statement } from "better-sqlite3";
import type { Bound } from "./rows.ts";
import { KEYS } from "./statements.ts";

/** Rows looked at in one transaction: some 40 ms, in which nothing else happens. */
const BATCH = 5_000;

/** How far the keys of an upload are hashed; part of the file format. */
const HASHING = { none: 0, all: 1, underway: 2 } as const;

/**
 * Hashes of the keys of those uploads that ask for keys. Most have key templates under which keys cannot meet, and never
 * ask: an index over every key of every upload would cost 3 µs over each file's life and a third of the disk space. So
 * an upload's keys are hashed from its first question on: first what is written from then on, then, batch by batch, what
 * was there. Whoever asks next goes on where that was cut short.
 */
export class KeyHashes {
  readonly #db: Database;
  readonly #transaction: (work: () => unknown) => unknown;
  readonly #state: Statement<Bound[], number>;
  /** Uploads whose every key is known to be hashed: that stays so. */
  readonly #complete = new Set<number>();
  /** Whether keys of these uploads were asked for when the transaction began. */
  readonly #asked = new Map<number, boolean>();
  readonly #hashing = new Map<number, Promise<void>>();

  constructor(db: Database) {
    this.#db = db;
    this.#transaction = db.transaction((work: () => unknown) => work()).immediate;
    this.#state = db.prepare<Bound[], number>(KEYS.state).pluck();
    db.function("key_hash", { deterministic: true }, hashOf);
  }

  /** A transaction that writes has begun: until it ends, nobody else asks for keys. */
  begin(): void {
    this.#asked.clear();
  }

  /** What to write beside a key of this upload, in the transaction that has begun. */
  ofWrite(seq: number, key: string): number | null {
    let isAsked = this.#complete.has(seq) ? true : this.#asked.get(seq);
    if (isAsked === undefined) {
      isAsked = this.#state.get(seq) !== HASHING.none;
      this.#asked.set(seq, isAsked);
    }
    return isAsked ? hashOf(key) : null;
  }

  /**
   * Resolves when every key of the upload is hashed. Other work goes on between the batches.
   * @throws what SQLite throws; TypeError when the database is closed meanwhile
   */
  async complete(seq: number): Promise<void> {
    if (this.#complete.has(seq)) return;
    const hashing = this.#hashing.get(seq) ?? this.#hashAll(seq).finally(() => this.#hashing.delete(seq));
    this.#hashing.set(seq, hashing);
    await hashing;
  }

  async #hashAll(seq: number): Promise<void> {
    if (this.#state.get(seq) !== HASHING.all) {
      this.#db.prepare(KEYS.setState).run(HASHING.underway, seq, HASHING.none);
      const paths = this.#db.prepare<Bound[], string>(KEYS.paths).pluck();
      const hash = this.#db.prepare<Bound[]>(KEYS.hash);
      for (let after: string | undefined = ""; after !== undefined; await turn()) {
        after = this.#transaction(() => {
          const batch = paths.all(seq, after ?? "", BATCH);
          const last = batch.at(-1);
          if (last !== undefined) hash.run(seq, after ?? "", last);
          return batch.length < BATCH ? undefined : last;
        }) as string | undefined;
      }
      this.#db.prepare(KEYS.setState).run(HASHING.all, seq, HASHING.underway);
    }
    this.#complete.add(seq);
  }
}

export function hashOf(key: string): number {
  return crc32(key);
}
