import type { Clock } from "./ports/clock.ts";
import type { StateStore, Unsubscribe } from "./ports/state-store.ts";
import { Wakeup } from "./wakeup.ts";

export interface FollowerOptions {
  readonly state: Pick<StateStore, "subscribe">;
  readonly clock: Clock;
  /** Looks at what another host may have done to an upload; undefined: to any. */
  readonly follow: (uploadId: string | undefined) => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
}

/** How long hints are gathered before they are followed, in milliseconds. */
const GATHER_MS = 20;

/** Acts on the hints of a store that several hosts share: soon, and once for many. Without hints, polling does it later. */
export class Follower {
  readonly #options: FollowerOptions;
  #hinted = new Set<string | undefined>();
  readonly #bell = new Wakeup();
  readonly #ended = new AbortController();
  #unsubscribe: Unsubscribe | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe ??= this.#options.state.subscribe?.(({ uploadId }) => {
      this.#hinted.add(uploadId);
      this.#bell.ring();
    });
    if (this.#unsubscribe) this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#ended.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, follow, onTrouble } = this.#options;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.#bell.wait(clock, Number.POSITIVE_INFINITY, signal);
      await clock.sleep(GATHER_MS, signal).catch(() => {});
      const hinted = this.#hinted;
      this.#hinted = new Set();
      const targets = hinted.has(undefined) ? [undefined] : hinted;
      for (const uploadId of targets) if (!signal.aborted) await follow(uploadId).catch(onTrouble);
    }
  }
}
