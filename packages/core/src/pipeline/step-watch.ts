import { StepError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";

export interface WatchOptions {
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Milliseconds. */
  readonly timeout: number;
  /** Ends what is watched, whatever it does. */
  readonly drain: AbortSignal;
}

/** Ends the watch's sleep; nobody sees it. */
const OVER = "over";

/**
 * The bound on steps that stand still. Not on how long they take: a large file may be scanned for hours, as long as bytes
 * move. Waiting for the disk or for whoever takes the output is nobody's fault, and does not count.
 */
export class StepWatch {
  /** The step that everybody waits for at the moment; undefined: none is to blame. */
  culprit: () => string | undefined = () => undefined;
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  readonly #over = new AbortController();
  readonly #leave: () => void;
  #movedAt: number;
  #stalled: string | undefined;

  constructor(options: WatchOptions) {
    const { clock, drain } = options;
    this.#options = options;
    this.#movedAt = clock.monotonic();
    this.#leave = () => this.#stop.abort(drain.reason);
    if (drain.aborted) this.#leave();
    drain.addEventListener("abort", this.#leave, { once: true });
    void this.#watch();
  }

  /** What steps are told: aborts with the drain, when a step stands still, and when the work ends early. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The step that stood still for too long. */
  get stalled(): string | undefined {
    return this.#stalled;
  }

  moved(): void {
    this.#movedAt = this.#options.clock.monotonic();
  }

  /** The work is done. */
  end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(OVER);
    this.#options.drain.removeEventListener("abort", this.#leave);
  }

  /** The work ends early, unless it is done. */
  cancel(): void {
    if (this.#over.signal.aborted) return;
    this.end();
    this.#stop.abort();
  }

  async #watch(): Promise<void> {
    const { clock, timeout } = this.#options;
    try {
      for (let left = timeout; ; left = timeout - (clock.monotonic() - this.#movedAt)) {
        if (left > 0) {
          await clock.sleep(left, this.#over.signal);
          continue;
        }
        this.#stalled = this.culprit();
        if (this.#stalled !== undefined) break;
        this.moved();
      }
    } catch {
      // Over before time was up.
      return;
    }
    const message = `it has made no progress for ${timeout / 1000} s (stepTimeout).`;
    this.#stop.abort(new StepError("STEP_TIMEOUT", message));
  }
}
