/** A file that is being written. Exactly one of `finish` and `discard` ends it. */
export interface SpoolWriter {
  /** Appends. The bytes may be used again once it has resolved. @throws BucketlineError `SPOOL_FULL`, `SPOOL_NOT_WRITABLE` */
  write(bytes: Uint8Array): Promise<void>;
  /** Whole and durable under its name; replaces one of that name. @throws as `write` */
  finish(name: string): Promise<void>;
  /** Leaves nothing behind. Never rejects. */
  discard(): Promise<void>;
}

/** A finished file. */
export interface SpoolReader {
  readonly size: number;
  /** Fills `target` from byte `position`; returns how many bytes it got, fewer only at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * Where files wait that exist only until they have been sent. Each run of a service has a place of its own, which nobody
 * else touches while the run lives; what a dead run has left belongs to whoever takes it first. Names are `[A-Za-z0-9.-]`.
 */
export interface SpoolFolder {
  /**
   * Makes the run's own place, and takes over what dead runs on this host have left: finished files come along, unfinished
   * ones are removed. Calling it again looks for dead runs again.
   * @returns names of the finished files that came along
   * @throws BucketlineError `SPOOL_NOT_WRITABLE`
   */
  open(): Promise<readonly string[]>;
  /** @throws BucketlineError `SPOOL_FULL`, `SPOOL_NOT_WRITABLE` */
  create(): Promise<SpoolWriter>;
  /** @returns undefined when there is no such file (any more) */
  read(name: string): Promise<SpoolReader | undefined>;
  /** Removes a finished file, also one that is not there. */
  remove(name: string): Promise<void>;
  /** The run is over: what it has finished may be taken over at once. Calling it again does nothing. */
  close(): Promise<void>;
}
