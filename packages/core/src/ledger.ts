import { BucketlineError, type ErrorCode, StateStoreError } from "./errors.ts";
import type { Notice } from "./notice.ts";
import type { Clock } from "./ports/clock.ts";
import type { ChangeOutcome, FileChange, StateStore } from "./ports/state-store.ts";

/** Changes in one transaction, at most. */
const LARGEST_BATCH = 256;
/** How long a change may wait for others to share its transaction and its sync, in milliseconds. */
const GATHER_MS = 4;
const RETRY_MS = 1_000;
/** Troubles of a store that pass. */
const PASSING: readonly ErrorCode[] = ["STATE_BUSY", "STATE_FULL", "STATE_UNAVAILABLE"];

interface Waiting {
  readonly change: FileChange;
  readonly settle: (outcome: ChangeOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** What is recorded with a change, and is told of it once it is. */
export interface NoticeSource {
  noticesOf(change: FileChange): readonly Notice[];
  announce(notices: readonly Notice[]): void;
}

export interface LedgerOptions {
  readonly state: StateStore;
  readonly clock: Clock;
  /** Ends waiting for a store that is locked or full. */
  readonly signal: AbortSignal;
  /** Told when the store is locked, full or out of reach and a batch is held back to be tried again. */
  readonly onTrouble: (error: StateStoreError) => void;
  /** Default: nothing is recorded but the changes. */
  readonly notices?: NoticeSource | undefined;
}

/**
 * Group commit: changes that come together share one transaction and one sync. Promises settle after the sync, so
 * whoever waits for one has a durable fact. Order is kept. While the store is locked, out of reach or its disk is full, changes wait
 * and are tried again, which holds back the workers and so pauses the service by itself.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #isHeldUp = false;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /**
   * Resolves once the change is durable.
   * @throws BucketlineError `FENCE_LOST` when another owner has written the file since · StateStoreError
   */
  async commit(change: FileChange): Promise<void> {
    if ((await this.offer(change)) === "conflict") {
      throw new BucketlineError("FENCE_LOST", `${change.after.path} was taken over by another owner.`);
    }
  }

  /** As `commit`, but says whether the change was overtaken. */
  offer(offered: FileChange): Promise<ChangeOutcome> {
    const notices = this.#options.notices?.noticesOf(offered) ?? [];
    const change = notices.length > 0 ? { ...offered, notices } : offered;
    const outcome = new Promise<ChangeOutcome>((settle, reject) => this.#waiting.push({ change, settle, reject }));
    this.#flushing ??= this.#flush();
    return outcome;
  }

  /** Whether the store is locked, out of reach or full, so that nobody knows when what waits will be recorded. */
  get isHeldUp(): boolean {
    return this.#isHeldUp;
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
  }

  async #flush(): Promise<void> {
    await this.#options.clock.sleep(GATHER_MS);
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, LARGEST_BATCH);
      this.#waiting = this.#waiting.slice(LARGEST_BATCH);
      try {
        const outcomes = await this.#write(batch.map((waiting) => waiting.change));
        for (const [index, waiting] of batch.entries()) this.#settle(waiting, outcomes[index] ?? "conflict");
      } catch (error) {
        for (const waiting of batch) waiting.reject(error);
      }
    }
    this.#flushing = undefined;
  }

  #settle({ change, settle }: Waiting, outcome: ChangeOutcome): void {
    if (outcome === "applied" && change.notices) this.#options.notices?.announce(change.notices);
    settle(outcome);
  }

  async #write(changes: readonly FileChange[]): Promise<ChangeOutcome[]> {
    for (;;) {
      try {
        const outcomes = await this.#options.state.commit(changes);
        this.#isHeldUp = false;
        return outcomes;
      } catch (error) {
        if (!(error instanceof StateStoreError) || !PASSING.includes(error.code)) throw error;
        this.#isHeldUp = true;
        this.#options.onTrouble(error);
        await this.#options.clock.sleep(RETRY_MS, this.#options.signal);
      }
    }
  }
}
