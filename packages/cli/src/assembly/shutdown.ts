import { constants } from "node:os";
import { EXIT, type ExitCode, Interrupted } from "../errors.ts";

const SIGNALS = { SIGINT: "Ctrl-C", SIGTERM: "SIGTERM", SIGHUP: "the end of its terminal" } as const;
type Signal = keyof typeof SIGNALS;

/**
 * Turns signals into requests to stop: the first to let what is in flight finish, the second to stop at once, a third ends
 * the process. A reader of the output who goes away counts as the first.
 */
export class Stopping {
  readonly #drain = new AbortController();
  readonly #cut = new AbortController();
  #reason: Interrupted | undefined;
  #signals = 0;

  constructor() {
    for (const signal of Object.keys(SIGNALS)) process.on(signal, this.#onSignal);
    for (const stream of [process.stdout, process.stderr]) stream.on("error", this.#onBrokenStream);
  }

  /** Aborts with an Interrupted at the first signal. */
  get drain(): AbortSignal {
    return this.#drain.signal;
  }

  /** Aborts at the second. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** Why it is to end; undefined while it is not. */
  get reason(): Interrupted | undefined {
    return this.#reason;
  }

  /** Leaves signals to Node.js again. */
  end(): void {
    for (const signal of Object.keys(SIGNALS)) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: Signal): void => {
    const exitCode = (128 + constants.signals[signal]) as ExitCode;
    this.#signals += 1;
    if (this.#signals > 2) process.exit(exitCode);
    this.#stop(new Interrupted(`Stopped by ${SIGNALS[signal]}. Run it again to go on.`, exitCode));
    if (this.#signals === 2) this.#cut.abort(this.#reason);
  };

  /** The rest of the output is thrown away without a word; anything else than a closed pipe is an error all the same. */
  readonly #onBrokenStream = (error: NodeJS.ErrnoException): void => {
    if (error.code !== "EPIPE") throw error;
    this.#stop(new Interrupted("Nobody reads the output any more.", EXIT.brokenPipe, true));
  };

  #stop(reason: Interrupted): void {
    this.#reason ??= reason;
    this.#drain.abort(this.#reason);
  }
}
