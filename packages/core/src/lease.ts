import { unlessAborted } from "./abortable.ts";
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
  /** The lease has run out, as far as we know: others may hold what we held. The next sign of life begins a new one. */
  readonly onLapse: () => void;
}

/** Says, three times per lease, that this owner lives; and knows when nobody has heard it for too long. */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #ended = new AbortController();
  #loop: Promise<void> | undefined;
  #beating: Promise<void> | undefined;
  #tending: Promise<void> | undefined;
  /** On the monotonic clock; counted from before the last good sign of life was sent. */
  #validUntil = Number.NEGATIVE_INFINITY;
  #lapsed = false;
  /** Of the last good sign of life, on the monotonic clock. */
  #beatAt: number | null = null;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  get beatMs(): number {
    return Math.ceil(this.#options.leaseMs / 3);
  }

  /** Whether what we hold is still ours: nobody takes it over before. */
  get isValid(): boolean {
    return !this.#ended.signal.aborted && this.#options.clock.monotonic() < this.#validUntil;
  }

  /** Milliseconds since the last good sign of life; null before the first. */
  get ageMs(): number | null {
    return this.#beatAt === null ? null : Math.round(this.#options.clock.monotonic() - this.#beatAt);
  }

  /** Resolves after the first sign of life; files may be claimed from then on. */
  async start(): Promise<void> {
    await this.#beat();
    this.#loop ??= this.#run();
  }

  /** Ends the lease: what is still held may be taken over at once. `abort`: does not wait for what is under way. */
  async stop(abort: AbortSignal): Promise<void> {
    this.#ended.abort();
    await this.#loop;
    await unlessAborted(Promise.allSettled([this.#beating, this.#tending]), abort).catch(() => {});
    await this.#options.state.retire(this.#options.owner);
  }

  async #run(): Promise<void> {
    const { clock, onTrouble, onLapse } = this.#options;
    for (;;) {
      await clock.sleep(this.beatMs, this.#ended.signal).catch(() => {});
      if (this.#ended.signal.aborted) return;
      // Neither is awaited: a ledger that hangs must not hide that time is up, nor slow work the next sign of life.
      this.#beating ??= this.#beat()
        .then(() => {
          if (!this.#ended.signal.aborted) this.#tending ??= this.#tend();
        })
        .catch(onTrouble)
        .finally(() => {
          this.#beating = undefined;
        });
      if (this.isValid || this.#lapsed) continue;
      this.#lapsed = true;
      onLapse();
    }
  }

  async #beat(): Promise<void> {
    const { state, clock, owner, leaseMs } = this.#options;
    const sentAt = clock.monotonic();
    await state.heartbeat(owner, leaseMs);
    this.#beatAt = sentAt;
    this.#validUntil = sentAt + leaseMs;
    this.#lapsed = false;
  }

  async #tend(): Promise<void> {
    const { onBeat, onTrouble } = this.#options;
    await onBeat().catch(onTrouble);
    this.#tending = undefined;
  }
}
