import type { Clock } from "../ports/clock.ts";

/** Given as the reason: without one, every stop would make an error and its stack. */
const STOPPED = "stopped";

export interface AlarmEntry {
  /** On the clock's monotonic time, in milliseconds. */
  dueAt: number;
  readonly ring: () => void;
}

/**
 * Many deadlines on one timer: thousands of short calls set and clear theirs without a timer each. There is no timer
 * while nothing is set.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #entries = new Set<AlarmEntry>();
  #sleep: AbortController | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `ring` once, `ms` milliseconds from now, unless cleared. */
  set(ms: number, ring: () => void): AlarmEntry {
    const entry = { dueAt: this.#clock.monotonic() + ms, ring };
    this.#entries.add(entry);
    if (entry.dueAt < this.#wakeAt) this.#sleepUntil(entry.dueAt);
    return entry;
  }

  /** Moves a set entry to `ms` milliseconds from now. */
  move(entry: AlarmEntry, ms: number): void {
    entry.dueAt = this.#clock.monotonic() + ms;
    if (entry.dueAt < this.#wakeAt) this.#sleepUntil(entry.dueAt);
  }

  clear(entry: AlarmEntry): void {
    this.#entries.delete(entry);
    if (this.#entries.size === 0) this.#stop();
  }

  #sleepUntil(time: number): void {
    this.#stop();
    const sleep = new AbortController();
    this.#sleep = sleep;
    this.#wakeAt = time;
    this.#clock.sleep(time - this.#clock.monotonic(), sleep.signal).then(
      () => {
        if (this.#sleep === sleep) this.#wake();
      },
      () => {}, // stopped: whoever stopped it has seen to the rest
    );
  }

  #stop(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#sleep?.abort(STOPPED);
    this.#sleep = undefined;
  }

  #wake(): void {
    this.#stop();
    const now = this.#clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const entry of [...this.#entries]) {
      if (entry.dueAt > now) {
        next = Math.min(next, entry.dueAt);
      } else if (this.#entries.delete(entry)) {
        entry.ring();
      }
    }
    if (next < this.#wakeAt && this.#entries.size > 0) this.#sleepUntil(next);
  }
}
