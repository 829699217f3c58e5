import { FakeClock } from "@bucketline/core/testing";
import type { Traffic } from "./traffic.ts";

/** Where calls shall overlap, timers go off in beats, so that those of different processes meet. In milliseconds. */
const BEAT_MS = 200;

/** Time that stands still as long as anything is on its way to the database. */
export class LedgerClock extends FakeClock {
  readonly #traffic: Traffic;
  readonly #isSerial: boolean;
  readonly #turns: (() => void)[] = [];

  /** @param isSerial of several that wake at once, one comes after all that the other has led to; otherwise they go together */
  constructor(startMs: number, traffic: Traffic, isSerial: boolean) {
    super(startMs);
    this.#isSerial = isSerial;
    this.#traffic = traffic;
  }

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const wait = ms > 0 && !this.#isSerial ? ms + BEAT_MS - ((this.monotonic() + ms) % BEAT_MS) : ms;
    await super.sleep(wait, signal);
    if (ms > 0) await this.turn();
  }

  override async tick(limitMs: number): Promise<number> {
    await this.quiet();
    const passed = await super.tick(limitMs);
    await this.quiet();
    return passed;
  }

  /** Resolves when everything has come to rest that came before. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#turns.push(resolve));
  }

  /** Lets those who wait for their turn go on, and resolves when all is at rest. */
  async quiet(): Promise<void> {
    for (;;) {
      await this.#traffic.rest();
      if (this.#turns.length === 0) return;
      for (const next of this.#turns.splice(0, this.#isSerial ? 1 : this.#turns.length)) next();
    }
  }
}
