import type { Counters, FileRecord, StateStore } from "../src/index.ts";
import { FakeClock, MemoryState, MemoryStateStore } from "../src/testing/index.ts";

/** When every simulated world begins, in milliseconds since 1970. */
export const START = Date.UTC(2026, 0, 1);
/** The only upload. */
export const ID = "u";

/** One process's way to the ledger. */
export interface SimHandle {
  readonly store: StateStore;
  /** The process is no more, and has closed nothing. */
  die(): void;
}

/** The ledger of a world: outlives its processes, and shows the model what it holds. */
export interface SimLedger {
  /** The world's time, by which leases run. */
  readonly clock: FakeClock;
  connect(): SimHandle;
  /** Of the only upload. */
  files(): Promise<FileRecord[]>;
  counters(): Promise<Counters>;
  isRecorded(path: string): boolean | Promise<boolean>;
  /** Calls so far that may have happened, and failed. */
  readonly unanswered: number;
  /** No more faults of its own. */
  heal(): void;
}

export class MemoryLedger implements SimLedger {
  readonly clock = new FakeClock(START);
  readonly unanswered = 0;
  readonly #state = new MemoryState();
  readonly #hints: boolean;

  constructor(hints: boolean) {
    this.#hints = hints;
  }

  connect(): SimHandle {
    return { store: this.#store(), die: () => {} };
  }

  async files(): Promise<FileRecord[]> {
    return [...this.#state.filesOf(ID).after(undefined)];
  }

  async counters(): Promise<Counters> {
    const store = this.#store();
    await store.open();
    return await store.counters(ID);
  }

  isRecorded(path: string): boolean {
    return Boolean(this.#state.filesOf(ID).get(path)?.evidence);
  }

  heal(): void {}

  #store(): MemoryStateStore {
    return new MemoryStateStore({ clock: this.clock, state: this.#state, hints: this.#hints });
  }
}
