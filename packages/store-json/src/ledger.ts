import { StateStoreError } from "@bucketline/core";
import { Draft, type MemoryState } from "@bucketline/core/memory";
import type { SavedState } from "./saved-state.ts";

interface Call {
  /** Runs on the draft of its group. @returns whether it waits for the group's sync */
  run(draft: Draft): boolean;
  settle(): void;
  fail(error: unknown): void;
}

/** A group that has this many writes is synced before more calls join it. */
const LARGEST_GROUP = 4_096;
/** A state up to this size is folded into one file when it is closed, so that people find it whole. Bytes. */
const LARGEST_CLOSING_FOLD = 64 * 1024 * 1024;

/**
 * The state in memory, kept equal to what is on the disk. Calls that write are run one after the other; those that come
 * while a sync is under way form the next group and share its one line and its one sync. A group's writes reach `state`
 * after the sync: so whoever reads sees what is durable and nothing else, and a group that could not be written has not
 * happened.
 */
export class Ledger {
  readonly state: MemoryState;
  readonly #saved: SavedState;
  #waiting: Call[] = [];
  #working: Promise<void> | undefined;
  #folding: Promise<void> | undefined;
  #isClosing = false;
  #lost: StateStoreError | undefined;

  constructor(saved: SavedState, state: MemoryState) {
    this.#saved = saved;
    this.state = state;
  }

  /** Makes every call from now on fail: the state is somebody else's, or its files are gone. */
  lose(error: StateStoreError): void {
    this.#lost ??= error;
  }

  /** @throws the error with which the state was lost */
  check(): void {
    if (this.#lost) throw this.#lost;
  }

  /** @param work runs once, synchronously */
  write<T>(work: (draft: Draft) => T): Promise<T> {
    this.check();
    const result = new Promise<T>((settle, fail) => {
      let value: T;
      const run = (draft: Draft) => {
        try {
          value = work(draft);
          return true;
        } catch (error) {
          fail(error);
          return false;
        }
      };
      this.#waiting.push({ run, settle: () => settle(value), fail });
    });
    this.#working ??= this.#work();
    return result;
  }

  /** Finishes what was begun. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#working;
    await this.#folding;
    try {
      const isWorthIt = !this.#saved.isFolded && this.#saved.size <= LARGEST_CLOSING_FOLD;
      if (isWorthIt && this.#lost === undefined) await this.#saved.foldWhole(this.state);
    } catch {
      // The journals hold all of it.
    } finally {
      await this.#saved.close().catch(() => {});
    }
  }

  async #work(): Promise<void> {
    // Whatever is called in the same turn belongs to the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#writeGroup();
      await this.#foldWhenDue();
    }
    this.#working = undefined;
  }

  async #writeGroup(): Promise<void> {
    const draft = new Draft(this.state);
    const group: Call[] = [];
    let taken = 0;
    while (taken < this.#waiting.length && draft.writes.length < LARGEST_GROUP) {
      const call = this.#waiting[taken++] as Call;
      if (call.run(draft)) group.push(call);
    }
    this.#waiting = this.#waiting.slice(taken);
    try {
      this.check();
      if (draft.writes.length > 0) await this.#saved.append(draft.writes);
      for (const write of draft.writes) this.state.apply(write);
      for (const call of group) call.settle();
    } catch (error) {
      const isLost =
        error instanceof StateStoreError && (error.code === "STATE_BUSY" || error.code === "STATE_CORRUPT");
      if (isLost) this.lose(error);
      for (const call of group) call.fail(error);
    }
  }

  async #foldWhenDue(): Promise<void> {
    if (this.#folding || this.#lost || !this.#saved.isFoldDue) return;
    try {
      const fold = await this.#saved.beginFold(this.state);
      const keepGoing = () => {
        if (this.#isClosing) throw new Error("closing");
      };
      // A fold that fails changes nothing, and is tried again when the journals have grown further.
      this.#folding = fold(keepGoing)
        .catch(() => {})
        .then(() => {
          this.#folding = undefined;
        });
    } catch {
      // The next append begins another journal, and says what is wrong.
    }
  }
}
