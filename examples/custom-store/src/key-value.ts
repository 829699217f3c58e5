/** One key as it was read. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Another number after every write of the key, also after it was deleted and set again. */
  readonly version: number;
}

/** Holds when the key is at this version; undefined: when there is no such key. */
export interface Precondition {
  readonly key: string;
  readonly version: number | undefined;
}

/** An undefined value deletes the key. */
export interface Write {
  readonly key: string;
  readonly value: string | undefined;
}

/**
 * The little that the store asks of a database. etcd offers it as it stands (`mod_revision`, leases, `Txn`); on Redis
 * `transact` is a script and `scan` a sorted set beside the keys.
 *
 * Guarantees: what a resolved write has written is durable, and every reader sees it; `transact` writes all or nothing,
 * and nobody writes between its look at the preconditions and its writes.
 */
export interface KeyValue {
  get(key: string): Promise<Entry | undefined>;
  /** The key is gone `ttlMs` milliseconds from now, by the server's clock. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
  /** Keys that begin with `prefix` and are greater than `after`: bytes of the UTF-8 form, ascending. */
  scan(prefix: string, page: { readonly after?: string | undefined; readonly limit: number }): Promise<Entry[]>;
  /** @returns false, changing nothing, when a precondition does not hold */
  transact(preconditions: readonly Precondition[], writes: readonly Write[]): Promise<boolean>;
}
