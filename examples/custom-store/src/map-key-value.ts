import { comparePaths } from "@bucketline/core";
import type { Entry, KeyValue, Precondition, Write } from "./key-value.ts";

interface Stored extends Entry {
  /** On the server's clock; Infinity: stays. */
  readonly expiresAt: number;
}

/** Plays the database: as durable as this object. Several stores may share it, as clients share a server. */
export class MapKeyValue implements KeyValue {
  readonly #entries = new Map<string, Stored>();
  readonly #now: () => number;
  /** In order, when `#isSorted`; may hold keys that are gone. */
  #keys: string[] = [];
  #isSorted = true;
  #version = 0;

  /** @param now the clock that keys expire by, in milliseconds; must not go back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#read(key);
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    this.#write(key, value, this.#now() + ttlMs);
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async scan(prefix: string, page: { readonly after?: string | undefined; readonly limit: number }): Promise<Entry[]> {
    this.#sort();
    const found: Entry[] = [];
    const after = page.after !== undefined && comparePaths(page.after, prefix) > 0 ? page.after : undefined;
    for (let index = this.#firstAfter(after, prefix); index < this.#keys.length && found.length < page.limit; index++) {
      const key = this.#keys[index] as string;
      if (!key.startsWith(prefix)) break;
      const entry = this.#read(key);
      if (entry) found.push(entry);
    }
    return found;
  }

  async transact(preconditions: readonly Precondition[], writes: readonly Write[]): Promise<boolean> {
    for (const { key, version } of preconditions) if (this.#read(key)?.version !== version) return false;
    for (const { key, value } of writes) {
      if (value === undefined) this.#entries.delete(key);
      else this.#write(key, value, Number.POSITIVE_INFINITY);
    }
    return true;
  }

  #read(key: string): Stored | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAt > this.#now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  #write(key: string, value: string, expiresAt: number): void {
    if (!this.#entries.has(key)) {
      this.#keys.push(key);
      this.#isSorted = false;
    }
    this.#version += 1;
    this.#entries.set(key, { key, value, version: this.#version, expiresAt });
  }

  #sort(): void {
    if (this.#isSorted) return;
    // A key that was deleted and set again stands there twice.
    const present = new Set(this.#keys.filter((key) => this.#entries.has(key)));
    this.#keys = [...present].sort(comparePaths);
    this.#isSorted = true;
  }

  /** Index of the first key greater than `after`, or, without one, of the first that is not less than `prefix`. */
  #firstAfter(after: string | undefined, prefix: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = comparePaths(this.#keys[middle] as string, after ?? prefix);
      if (after === undefined ? order >= 0 : order > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
