import type { StateStore } from "@bucketline/core";

/** One state of its own, as a case sees it. */
export interface StateStoreHarness {
  /** Open, and empty. */
  readonly store: StateStore;
  /** Closes `store` and opens the same state anew, as after a restart. */
  reopen(): Promise<StateStore>;
  /** A second open handle on the same state. A store that allows one owner rejects with `STATE_BUSY`. */
  another(): Promise<StateStore>;
  /** Lets at least `ms` milliseconds pass on the clock that the leases run by. Default: waits. */
  pass?(ms: number): Promise<void>;
  /** Closes every handle and removes the state. */
  close(): Promise<void>;
}

export type StateStoreCases = Readonly<Record<string, (harness: StateStoreHarness) => Promise<void>>>;

export async function passTime(harness: StateStoreHarness, ms: number): Promise<void> {
  if (harness.pass) return harness.pass(ms);
  await new Promise((resolve) => setTimeout(resolve, ms));
}
