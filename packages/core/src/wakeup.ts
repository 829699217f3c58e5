import type { Clock } from "./ports/clock.ts";

/** Given as the reason: without one, every ring would make an error and its stack. */
const OVER = "over";

/** A bell that one loop waits for. A ring while nobody waits is remembered. */
export class Wakeup {
  #rung = false;
  #answer: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#answer?.();
  }

  /** Resolves at the next ring (at once when it rang since the last wait), or after `ms` milliseconds. Never rejects. */
  async wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && ms > 0 && !signal.aborted) await this.#ringOr(clock, ms, signal);
    this.#rung = false;
  }

  async #ringOr(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const bell = new Promise<void>((resolve) => {
      this.#answer = resolve;
    });
    // Not AbortSignal.any: a long-lived signal would keep a trace of every wait.
    const end = () => {
      over.abort(OVER);
      this.#answer?.();
    };
    signal.addEventListener("abort", end, { once: true });
    const timer = ms === Number.POSITIVE_INFINITY ? bell : clock.sleep(ms, over.signal).catch(() => {});
    await Promise.race([bell, timer]);
    signal.removeEventListener("abort", end);
    over.abort(OVER);
    this.#answer = undefined;
  }
}
