import { setTimeout as sleep } from "node:timers/promises";
import { StateStoreError } from "@bucketline/core";
import { type DriverError, stateError, verdictOf } from "./state-error.ts";

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 2_000;
/** Deadlocks and the like: each time at least one of the transactions gets through. */
const CONTENDED_TRIES = 20;

/** How long one call goes on trying. Time runs from its first failure. */
export class Patience {
  readonly #place: string;
  readonly #boundMs: number;
  readonly #closing: AbortSignal;
  #since: number | undefined;
  #failures = 0;

  constructor(place: string, boundMs: number, closing: AbortSignal) {
    this.#place = place;
    this.#boundMs = boundMs;
    this.#closing = closing;
  }

  /**
   * Resolves when it is time to try again: after twice as long as the last time, up to two seconds, half of it by chance,
   * so that hosts that lost one server do not all come back at one moment.
   * @throws StateStoreError when trying again is of no use, it has lasted too long, or the store is closing
   */
  async after(error: DriverError): Promise<void> {
    const verdict = verdictOf(error);
    this.#failures += 1;
    this.#since ??= performance.now();
    if (verdict === "contended") {
      if (this.#failures > CONTENDED_TRIES) throw stateError(error, this.#place);
      return this.pause(Math.min(5 * this.#failures, 50));
    }
    if (verdict !== "unreachable" || this.isOver) throw stateError(error, this.#place);
    await this.pause(Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#failures - 1)));
  }

  get isOver(): boolean {
    return performance.now() - (this.#since ?? performance.now()) >= this.#boundMs;
  }

  /** @throws StateStoreError `STATE_CLOSED` */
  async pause(ms: number): Promise<void> {
    this.#since ??= performance.now();
    const left = Math.max(1, this.#since + this.#boundMs - performance.now());
    try {
      await sleep(Math.min(left, ms * (0.5 + Math.random() / 2)), undefined, { signal: this.#closing });
    } catch {
      throw closed(this.#place);
    }
  }
}

export function closed(place: string): StateStoreError {
  return new StateStoreError("STATE_CLOSED", `The state store ${place} is not open. Open it first.`);
}
