import type { Clock } from "@bucketline/core";

/** What one loop waits for. A ring while nobody waits is remembered. */
export class Bell {
  #rung = false;
  #nap = new AbortController();

  ring(): void {
    this.#rung = true;
    this.#nap.abort();
  }

  /** Resolves at the next ring (at once when it rang since the last wait), or after `ms` milliseconds. */
  async wait(clock: Clock, ms: number): Promise<void> {
    if (!this.#rung) {
      this.#nap = new AbortController();
      await clock.sleep(ms, this.#nap.signal).catch(() => {});
    }
    this.#rung = false;
  }
}
