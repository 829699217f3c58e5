import type { Clock } from "./ports/clock.ts";
import type { WorkLedger } from "./ports/state-store.ts";

export interface LeaseOptions {
  readonly state: WorkLedger;
  readonly clock: Clock;
  readonly owner: string;
  /** How long others wait after our last sign of life before they take over. Milliseconds. */
  readonly leaseMs: number;
  /** What else is looked after at every beat: dead owners, uploads that other processes changed. */
  readonly onBeat: () => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
}

/** Says, three times per lease, that this owner lives. */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #ended = new AbortController();
  #loop: Promise<void> | undefined;
  #tending: Promise<void> | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  get beatMs(): number {
    return Math.ceil(this.#options.leaseMs / 3);
  }

  /** Resolves after the first sign of life; files may be claimed from then on. */
  async start(): Promise<void> {
    await this.#options.state.heartbeat(this.#options.owner, this.#options.leaseMs);
    this.#loop ??= this.#run();
  }

  /** Ends the lease: what is still held may be taken over at once. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#loop;
    await this.#tending;
    await this.#options.state.retire(this.#options.owner);
  }

  async #run(): Promise<void> {
    const { state, clock, owner, leaseMs, onTrouble } = this.#options;
    for (;;) {
      await clock.sleep(this.beatMs, this.#ended.signal).catch(() => {});
      if (this.#ended.signal.aborted) return;
      try {
        await state.heartbeat(owner, leaseMs);
        // Not awaited: what takes long must not keep the next sign of life back.
        this.#tending ??= this.#tend();
      } catch (error) {
        onTrouble(error);
      }
    }
  }

  async #tend(): Promise<void> {
    const { onBeat, onTrouble } = this.#options;
    await onBeat().catch(onTrouble);
    this.#tending = undefined;
  }
}
