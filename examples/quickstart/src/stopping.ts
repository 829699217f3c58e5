import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Somebody asked the program to end. */
export class Stopped extends Error {
  /** As shells expect it: 128 and the signal's number, 130 for Ctrl-C. */
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`Stopped by ${signal}.`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Turns signals into requests to stop: the first to drain, the same one again to stop at once, a third ends the process. */
export class Stopping {
  readonly #drain = new AbortController();
  readonly #now = new AbortController();
  readonly #seen = new Map<NodeJS.Signals, number>();
  readonly #onFirst: () => void;

  /** @param onFirst told at the first signal */
  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    for (const signal of SIGNALS) process.on(signal, this.#notice);
  }

  /** Aborts with a Stopped at the first signal. */
  get drain(): AbortSignal {
    return this.#drain.signal;
  }

  /** Aborts when the same signal comes again. */
  get now(): AbortSignal {
    return this.#now.signal;
  }

  /** Leaves signals to Node.js again. */
  end(): void {
    for (const signal of SIGNALS) process.off(signal, this.#notice);
  }

  readonly #notice = (signal: NodeJS.Signals): void => {
    const times = (this.#seen.get(signal) ?? 0) + 1;
    this.#seen.set(signal, times);
    const stopped = new Stopped(signal);
    if (times > 2) process.exit(stopped.exitCode);
    if (times === 2) this.#now.abort(stopped);
    if (this.#drain.signal.aborted) return;
    this.#drain.abort(stopped);
    this.#onFirst();
  };
}
