import type { Clock } from "./ports/clock.ts";

/** Given as the reason: without one, every end of a sleep would make an error and its stack. */
const OVER = "over";

/** A bell that one loop waits for. A ring while nobody waits is remembered. */
export class Wakeup {
  #rung = false;
  #answer: (() => void) | undefined;
  #signal: AbortSignal | undefined;
  #sleep: { readonly until: number; readonly end: AbortController } | undefined;

  ring(): void {
    this.#rung = true;
    this.#answer?.();
  }

  /**
   * Resolves at the next ring (at once when it rang since the last wait), or after `ms` milliseconds; it may do so earlier,
   * for a time that an earlier wait was given. Never rejects.
   */
  async wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    this.#endWith(signal);
    if (!this.#rung && ms > 0 && !signal.aborted) {
      const bell = new Promise<void>((resolve) => {
        this.#answer = resolve;
      });
      this.#sleepUntil(clock, clock.monotonic() + ms);
      await bell;
      this.#answer = undefined;
    }
    this.#rung = false;
  }

  /** One sleep serves many waits: a loop that is rung thousands of times a second makes no timer each time. */
  #sleepUntil(clock: Clock, until: number): void {
    if (this.#sleep && this.#sleep.until <= until) return;
    this.#endSleep();
    if (until === Number.POSITIVE_INFINITY) return;
    const sleep = { until, end: new AbortController() };
    this.#sleep = sleep;
    clock.sleep(until - clock.monotonic(), sleep.end.signal).then(
      () => {
        this.#sleep = undefined;
        this.#answer?.();
      },
      () => {}, // ended: whoever did so has seen to the rest
    );
  }

  #endSleep(): void {
    this.#sleep?.end.abort(OVER);
    this.#sleep = undefined;
  }

  /** Once per signal: not `AbortSignal.any`, with which a long-lived signal would keep a trace of every wait. */
  #endWith(signal: AbortSignal): void {
    if (this.#signal === signal) return;
    this.#signal = signal;
    const end = () => {
      this.#endSleep();
      this.#answer?.();
    };
    signal.addEventListener("abort", end, { once: true });
  }
}
