/** What was read, and how long ago, in milliseconds. */
export interface Aged<T> {
  readonly value: T;
  readonly ageMs: number;
}

export interface ReadingOptions {
  /** What was read holds for so long, in milliseconds. Default: 1 s. */
  readonly freshMs?: number;
  /** And for so many times as long as the reading took, so that readings take a bounded share of the time. Default: 9. */
  readonly rest?: number;
  /** Of the monotonic clock, in milliseconds. Default: that of `performance`. */
  readonly now?: () => number;
}

/**
 * Something that costs to find out, found out once for all who ask at about the same time: however often it is asked, it is
 * read one at a time and with pauses. What fails is read anew by the next who asks.
 */
export class SharedReading<T> {
  readonly #read: () => Promise<T>;
  readonly #freshMs: number;
  readonly #rest: number;
  readonly #now: () => number;
  #latest: { readonly value: T; readonly readAt: number; readonly freshUntil: number } | undefined;
  #running: Promise<T> | undefined;

  constructor(
    read: () => Promise<T>,
    { freshMs = 1_000, rest = 9, now = () => performance.now() }: ReadingOptions = {},
  ) {
    this.#read = read;
    this.#freshMs = freshMs;
    this.#rest = rest;
    this.#now = now;
  }

  /** @param maxAgeMs what is no older will do. Default: what is fresh */
  async get(maxAgeMs = 0): Promise<T> {
    const latest = this.#latest;
    const now = this.#now();
    if (latest && (now < latest.freshUntil || now - latest.readAt <= maxAgeMs)) return latest.value;
    this.#running ??= this.#readNow().finally(() => {
      this.#running = undefined;
    });
    return await this.#running;
  }

  /**
   * As `get`, but waits no longer than this, never fails, and takes what there is instead; the reading goes on.
   * @returns undefined when nothing has been read yet
   */
  async within(waitMs: number): Promise<Aged<T> | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs);
    });
    await Promise.race([this.get().catch(() => {}), late]);
    clearTimeout(timer);
    return this.#latest && { value: this.#latest.value, ageMs: this.#now() - this.#latest.readAt };
  }

  async #readNow(): Promise<T> {
    const begun = this.#now();
    const value = await this.#read();
    const readAt = this.#now();
    this.#latest = { value, readAt, freshUntil: readAt + Math.max(this.#freshMs, this.#rest * (readAt - begun)) };
    return value;
  }
}
