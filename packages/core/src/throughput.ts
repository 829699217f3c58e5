/** Of smaller bodies it is mostly the answer that is waited for. Bytes. */
const LEAST_BODY = 1024 * 1024;
/** Weight of the newest request. */
const SMOOTHING = 0.25;
/** A file is long enough under way to be judged by after this; milliseconds. */
const WINDOW_MS = 1_000;
/** More parts at once are worth it when they carry so many times as much. */
const GAIN = 1.1;
/** Parts at once grow by so much. */
const STEP = 1.5;

/** How fast a request carries its body at the moment, beside all others. */
export class Throughput {
  #rate: number | undefined;

  /** Bytes per millisecond; undefined: not known yet. */
  get rate(): number | undefined {
    return this.#rate;
  }

  /** A request has carried so many bytes. */
  carried(bytes: number, ms: number): void {
    if (bytes < LEAST_BODY || ms <= 0) return;
    const rate = bytes / ms;
    this.#rate = this.#rate === undefined ? rate : this.#rate + (rate - this.#rate) * SMOOTHING;
  }
}

/**
 * How many parts of one file are sent at once: begins with few, and tries more as long as they carry more together. When
 * they do not, it goes back, and leaves it at that for this file.
 */
export class PartsAtOnce {
  readonly #most: number;
  #current: number;
  #proven: number;
  #best = 0;
  #bytes = 0;
  #parts = 0;
  #since: number;

  /** @param now monotonic, in milliseconds, as below */
  constructor(least: number, most: number, now: number) {
    this.#most = Math.max(least, most);
    this.#current = least;
    this.#proven = least;
    this.#since = now;
  }

  get current(): number {
    return this.#current;
  }

  /** A part has arrived. */
  carried(bytes: number, now: number): void {
    this.#bytes += bytes;
    this.#parts += 1;
    const ms = now - this.#since;
    if (ms < WINDOW_MS || this.#parts < 2 * this.#current || this.#best === Number.POSITIVE_INFINITY) return;
    const rate = this.#bytes / ms;
    if (rate >= this.#best * GAIN && this.#current < this.#most) {
      this.#best = rate;
      this.#proven = this.#current;
      this.#current = Math.min(this.#most, Math.ceil(this.#current * STEP));
    } else {
      if (rate < this.#best * GAIN) this.#current = this.#proven;
      this.#best = Number.POSITIVE_INFINITY;
    }
    this.#bytes = 0;
    this.#parts = 0;
    this.#since = now;
  }
}
