import { StateStoreError } from "@bucketline/core";
import type { Entry, KeyValue } from "./key-value.ts";

/** Of those that are in each other's way one gets through each time, so this is far more than any queue of them. */
const ATTEMPTS = 1_000;

/** What the work returns when it has seen two things that do not fit together, because somebody wrote in between. */
export const AGAIN = Symbol("again");

/** What one transaction has read and is about to write. Reads see its own writes. */
export class Draft {
  readonly #database: KeyValue;
  readonly #read = new Map<string, Entry | undefined>();
  readonly #written = new Map<string, string | undefined>();

  constructor(database: KeyValue) {
    this.#database = database;
  }

  async get(key: string): Promise<string | undefined> {
    if (this.#written.has(key)) return this.#written.get(key);
    if (!this.#read.has(key)) this.#read.set(key, await this.#database.get(key));
    return this.#read.get(key)?.value;
  }

  put(key: string, value: string): void {
    this.#written.set(key, value);
  }

  delete(key: string): void {
    this.#written.set(key, undefined);
  }

  /** Deletes every key with the prefix. Whoever adds one must change something that this transaction has read. */
  async deleteAll(prefix: string): Promise<void> {
    const stored = await this.#database.scan(prefix, { limit: Number.MAX_SAFE_INTEGER });
    for (const { key } of stored) this.delete(key);
    for (const key of this.#written.keys()) if (key.startsWith(prefix)) this.delete(key);
  }

  /** @returns false, changing nothing, when something that was read has changed since */
  async apply(): Promise<boolean> {
    if (this.#written.size === 0) return true;
    return this.#database.transact(
      [...this.#read].map(([key, entry]) => ({ key, version: entry?.version })),
      [...this.#written].map(([key, value]) => ({ key, value })),
    );
  }
}

/**
 * Reads, decides and writes as if nobody else were there: when somebody was, it all begins anew.
 * @throws StateStoreError `STATE_BUSY`
 */
export async function transaction<T>(
  database: KeyValue,
  work: (draft: Draft) => Promise<T | typeof AGAIN>,
): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const draft = new Draft(database);
    const result = await work(draft);
    if (result !== AGAIN && (await draft.apply())) return result;
  }
  throw new StateStoreError("STATE_BUSY", `Others were faster ${ATTEMPTS} times. Are all keys of the ledger there?`);
}
