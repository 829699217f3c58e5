import { setImmediate as immediate } from "node:timers/promises";
import type { Clock } from "../ports/clock.ts";

interface Sleeper {
  readonly wakeAt: number;
  readonly order: number;
  readonly wake: () => void;
}

/** Time that stands still until a test moves it. */
export class FakeClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #order = 0;
  readonly #sleepers = new Set<Sleeper>();

  /** @param startMs wall time to begin with, in milliseconds since 1970 */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wall = startMs;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** How many sleeps have not ended. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (ms <= 0) return resolve();
      const stop = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        wakeAt: this.#monotonic + ms,
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener("abort", stop);
          resolve();
        },
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** Moves time on, waking sleepers one by one in order; what they do runs before time goes further. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#moveTo(next.wakeAt);
      this.#sleepers.delete(next);
      next.wake();
      await settle();
    }
    this.#moveTo(end);
  }

  /** Moves time on to the next sleeper, at most `limitMs`. @returns how far it moved, in milliseconds */
  async tick(limitMs: number): Promise<number> {
    await settle();
    const next = this.#next(this.#monotonic + limitMs);
    const step = next ? next.wakeAt - this.#monotonic : limitMs;
    await this.advance(step);
    return step;
  }

  /** Sets the wall clock forward or back, as an administrator or NTP would; sleeps are not touched. */
  step(ms: number): void {
    this.#wall += ms;
  }

  #next(end: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.wakeAt > end) continue;
      if (!first || sleeper.wakeAt < first.wakeAt || (sleeper.wakeAt === first.wakeAt && sleeper.order < first.order)) {
        first = sleeper;
      }
    }
    return first;
  }

  #moveTo(monotonic: number): void {
    const passed = Math.max(0, monotonic - this.#monotonic);
    this.#monotonic += passed;
    this.#wall += passed;
  }
}

/** Lets promise chains and finished file operations run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await immediate();
}
