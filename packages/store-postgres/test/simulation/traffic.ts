import { setImmediate as immediate } from "node:timers/promises";

/** So long the promise chains of the processes may take to come to rest. */
const TURNS = 4;

/** What is on its way to the database, which takes real time. */
export class Traffic {
  readonly #isSerial: boolean;
  readonly #queue: (() => Promise<void>)[] = [];
  #isPumping = false;
  #inFlight = 0;
  #started = 0;
  #landed: (() => void)[] = [];

  /** @param isSerial one call at a time, in the order in which they come, and none before all that the last one led to */
  constructor(isSerial: boolean) {
    this.#isSerial = isSerial;
  }

  /** Makes a call when its turn has come. */
  call<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isSerial) return this.watch(work());
    const done = new Promise<T>((resolve, reject) => {
      this.#queue.push(() => work().then(resolve, reject));
    });
    void this.#pump();
    return this.watch(done);
  }

  /** Counts what is under way already. */
  async watch<T>(work: Promise<T>): Promise<T> {
    this.#inFlight += 1;
    this.#started += 1;
    try {
      return await work;
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) for (const landed of this.#landed.splice(0)) landed();
    }
  }

  /** Resolves when nothing is under way, and nothing new is about to be. */
  async rest(): Promise<void> {
    for (let turns = 0, started = this.#started; turns < TURNS; turns++) {
      if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#landed.push(resolve));
      await immediate();
      if (started !== this.#started || this.#inFlight > 0) turns = -1;
      started = this.#started;
    }
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    for (;;) {
      for (let turn = 0; turn < TURNS; turn++) await immediate();
      const next = this.#queue.shift();
      if (!next) break;
      await next();
    }
    this.#isPumping = false;
  }
}
