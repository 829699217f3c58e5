import type { StateStoreHarness } from "@bucketline/conformance";
import type { ChangeHint, StateStore } from "@bucketline/core";
import { FakeClock, MemoryState, MemoryStateStore } from "@bucketline/core/testing";

/** What the handles of one case share. */
export interface World {
  readonly state: MemoryState;
  readonly clock: FakeClock;
  /** For a break that has to remember something. */
  readonly notes: Map<string, unknown>;
  readonly listeners: Set<{ readonly store: StateStore; readonly listener: (hint: ChangeHint) => void }>;
  /** Handles opened so far, this one included. */
  handles: number;
}

/** The methods that a broken store has in place of the right ones. */
export type Breaks = (right: StateStore, world: World) => Partial<StateStore>;

export interface BrokenStore {
  readonly breaks: Breaks;
  /** The cases that must catch it; others may, too. */
  readonly caughtBy: readonly string[];
}

export const broken = (breaks: Breaks, ...caughtBy: readonly string[]): BrokenStore => ({ breaks, caughtBy });

export function replaced<T extends object>(right: T, methods: Partial<T>): T {
  return new Proxy(right, {
    get(target, name) {
      if (name in methods) return Reflect.get(methods, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A MemoryStateStore with hints, as a store that several hosts share has. */
function withHints(memory: StateStore, world: World): StateStore {
  const tell = (uploadId: string) => {
    for (const { store, listener } of world.listeners) if (store !== memory) listener({ uploadId });
  };
  return replaced(memory, {
    insertUpload: async (upload) => {
      const inserted = await memory.insertUpload(upload);
      if (inserted) tell(upload.id);
      return inserted;
    },
    updateUpload: async (before, after, notices) => {
      const updated = await memory.updateUpload(before, after, notices);
      if (updated) tell(after.id);
      return updated;
    },
    commit: async (changes) => {
      const outcomes = await memory.commit(changes);
      for (const uploadId of new Set(changes.map(({ after }) => after.uploadId))) tell(uploadId);
      return outcomes;
    },
    close: async () => {
      for (const entry of world.listeners) if (entry.store === memory) world.listeners.delete(entry);
      await memory.close();
    },
    subscribe: (listener) => {
      const entry = { store: memory, listener };
      world.listeners.add(entry);
      return () => void world.listeners.delete(entry);
    },
  });
}

/** Lets every other call that is on its way go on. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function newWorld(): World {
  const [state, clock] = [new MemoryState(), new FakeClock()];
  return { state, clock, notes: new Map(), listeners: new Set(), handles: 0 };
}

export async function openHandle(world: World, breaks: Breaks): Promise<StateStore> {
  world.handles += 1;
  const { clock, state } = world;
  const right = withHints(new MemoryStateStore({ clock, state }), world);
  await right.open();
  return replaced(right, breaks(right, world));
}

export async function openBroken(breaks: Breaks, world = newWorld()): Promise<StateStoreHarness> {
  const store = await openHandle(world, breaks);
  return {
    store,
    another: () => openHandle(world, breaks),
    reopen: async () => {
      await store.close();
      return openHandle(world, breaks);
    },
    pass: (ms) => world.clock.advance(ms),
    close: () => store.close(),
  };
}
