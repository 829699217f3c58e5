/** What a service has to do at one moment. */
export interface Load {
  /** Files in flight, those that only wait among them. */
  readonly inFlight: number;
  /** How many there may be: now, after the store has asked to slow down, and at most. */
  readonly concurrency: { readonly current: number; readonly limit: number };
}

/**
 * How many files may be in flight: halved when the store asks to slow down, one more after as many successes as are in
 * flight (additive increase, multiplicative decrease, as TCP does). Never below one or above the configured number.
 */
export class Concurrency {
  readonly #most: number;
  readonly #changed: (now: number) => void;
  #current: number;
  #successes = 0;
  /** Answers to requests sent before the last decrease say nothing new. */
  #deafUntil = 0;

  constructor(most: number, changed: (now: number) => void) {
    this.#most = most;
    this.#changed = changed;
    this.#current = most;
  }

  get current(): number {
    return this.#current;
  }

  get bounds(): Load["concurrency"] {
    return { current: this.#current, limit: this.#most };
  }

  /** @param now monotonic milliseconds */
  throttled(now: number): void {
    this.#successes = 0;
    if (now < this.#deafUntil) return;
    this.#deafUntil = now + DEAF_MS;
    this.#set(Math.max(1, Math.floor(this.#current / 2)));
  }

  succeeded(): void {
    if (this.#current === this.#most) return;
    if (++this.#successes < this.#current) return;
    this.#successes = 0;
    this.#set(this.#current + 1);
  }

  #set(current: number): void {
    if (current === this.#current) return;
    this.#current = current;
    this.#changed(current);
  }
}

const DEAF_MS = 1_000;
