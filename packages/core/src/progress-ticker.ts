import { reasonOf } from "./errors.ts";
import { type Emit, emitWarning } from "./events.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileLedger } from "./ports/state-store.ts";
import type { ProgressMeter } from "./progress.ts";
import { FINISHED_STATES } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

export interface ProgressTickerOptions {
  readonly state: FileLedger;
  readonly uploads: Uploads;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly progress: ProgressMeter;
  /** Milliseconds. */
  readonly interval: number;
}

/** Tells the progress of every upload that moved, once per interval: throttled at the source. */
export class ProgressTicker {
  readonly #options: ProgressTickerOptions;
  readonly #ended = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: ProgressTickerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Tells once more, so that the last figures are the true ones. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, interval } = this.#options;
    while (!this.#ended.signal.aborted) {
      await clock.sleep(interval, this.#ended.signal).catch(() => {});
      await this.#tell();
    }
  }

  async #tell(): Promise<void> {
    const { progress, uploads, state, emit } = this.#options;
    for (const uploadId of progress.takeDirty()) {
      try {
        const upload = await uploads.get(uploadId);
        const counters = await state.counters(uploadId);
        emit("upload:progress", () => progress.progress(upload, counters));
        if (FINISHED_STATES.includes(upload.state)) progress.forgetIdle(uploadId);
      } catch (error) {
        emitWarning(emit, reasonOf(error), uploadId);
      }
    }
  }
}
