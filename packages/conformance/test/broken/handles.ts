import type { ChangeHint, FileRecord, StateStore, UploadRecord } from "@bucketline/core";
import { FakeClock, MemoryState, MemoryStateStore } from "@bucketline/core/testing";
import { type BrokenStore, broken, type World } from "./memory-harness.ts";

/** Undoes something at every opening but the first. */
function forgetting(forget: (world: World) => void) {
  return (_: StateStore, world: World): Partial<StateStore> => {
    if (world.handles > 1) forget(world);
    return {};
  };
}

function everyFile({ state }: World, change: (file: FileRecord) => FileRecord): void {
  for (const files of state.files.values()) for (const file of [...files.after(undefined)]) files.put(change(file));
}

/** Stores that are wrong once they are opened again, closed, or opened twice at the same time. */
export const brokenHandles: Readonly<Record<string, BrokenStore>> = {
  "a restart loses parts": broken(
    forgetting((world) => {
      everyFile(world, (file) => ({ ...file, transfer: null }));
    }),
    "reopen: everything is there again after a restart",
    "hostile: whatever is odd is exact after a restart, too",
  ),
  "a restart counts revisions anew": broken(
    forgetting((world) => everyFile(world, (file) => ({ ...file, revision: 1 }))),
    "reopen: compare and set goes on across a restart",
  ),
  "a restart loses the scanner": broken(
    forgetting(({ state }) => {
      for (const [id, upload] of state.uploads) state.uploads.set(id, { ...upload, scanner: null });
    }),
    "reopen: everything is there again after a restart",
  ),
  "a restart gives everybody a lease": broken(
    forgetting(({ state }) => void state.leases.set("o", Number.MAX_SAFE_INTEGER)),
    "reopen: what a retired owner held is rescued after a restart",
  ),
  "opening again begins anew": broken(
    (right, { state }) => ({
      open: async () => {
        state.uploads.clear();
        state.files.clear();
        await right.open();
      },
    }),
    "reopen: opening an open store does nothing, and so does closing a closed one",
    "reopen: a closed store may be opened again",
  ),
  "a closed store answers from memory": broken(
    (_, { state }) => ({ getUpload: async (id) => state.uploads.get(id) }),
    "reopen: every method of a closed store throws STATE_CLOSED",
    "reopen: opening an open store does nothing, and so does closing a closed one",
  ),
  "a closed store stays closed": broken(
    (right, { notes }) => ({
      close: async () => {
        notes.set("closed", true);
        await right.close();
      },
      open: async () => {
        if (!notes.has("closed")) await right.open();
      },
    }),
    "reopen: a closed store may be opened again",
  ),
  "each handle has files of its own": broken((right) => {
    const cache = new Map<string, FileRecord | undefined>();
    return {
      getFile: async (uploadId, path) => {
        if (!cache.has(path)) cache.set(path, await right.getFile(uploadId, path));
        return cache.get(path);
      },
    };
  }, "two handles: what one handle writes the other sees"),
  "each handle has uploads of its own": broken((right) => {
    const own = new Map<string, UploadRecord | undefined>();
    return {
      getUpload: async (id) => own.get(id) ?? right.getUpload(id),
      updateUpload: async (before, after) => {
        const isWritten = await right.updateUpload(before, after);
        if (isWritten) own.set(after.id, after);
        return isWritten;
      },
    };
  }, "contention: of two handles that would scan one upload, one may"),
  "each handle knows its own keys": broken((right) => {
    const keys = new Set<string>();
    return {
      commit: (changes) => {
        for (const { after } of changes) keys.add(after.key);
        return right.commit(changes);
      },
      findFileByKey: async (uploadId, key) => (keys.has(key) ? right.findFileByKey(uploadId, key) : undefined),
    };
  }, "two handles: a key is found whichever handle wrote it"),
  "each handle counts what it wrote": broken((right) => {
    let files = 0;
    return {
      commit: async (changes) => {
        const outcomes = await right.commit(changes);
        files += outcomes.filter((outcome, n) => outcome === "applied" && changes[n]?.before === null).length;
        return outcomes;
      },
      counters: async (id) => {
        const counters = await right.counters(id);
        return { ...counters, UPLOADED: { ...counters.UPLOADED, files: Math.min(files, counters.UPLOADED.files) } };
      },
    };
  }, "two handles: parallel writes of two handles keep the counters right"),
  "each handle knows its own owners": broken((right) => {
    const own = new MemoryStateStore({ clock: new FakeClock(), state: new MemoryState() });
    return {
      heartbeat: async (owner, ms) => {
        await own.open();
        await right.heartbeat(owner, ms);
        return own.heartbeat(owner, ms);
      },
      isAlive: async (owner) => {
        await own.open();
        return (await right.isAlive(owner)) && own.isAlive(owner);
      },
    };
  }, "two handles: both handles agree on who lives"),
  "closing one handle closes them all": broken((right, { notes }) => {
    const all = (notes.get("all") as StateStore[] | undefined) ?? [];
    notes.set("all", [...all, right]);
    return {
      close: async () => {
        for (const store of notes.get("all") as StateStore[]) await store.close();
      },
    };
  }, "two handles: closing one handle leaves the other open"),
};

type Listener = (hint: ChangeHint) => void;

/** Stores whose hints do not come, or do not end. */
export const brokenHints: Readonly<Record<string, BrokenStore>> = {
  "hints never come": broken(
    () => ({ subscribe: () => () => {} }),
    "hints: what another handle does to uploads and files is heard",
    "hints: every listener hears, and each ends for itself",
    "hints: a handle with listeners closes, and hears nothing afterwards",
  ),
  "commits are not told": broken(
    (right, { listeners }) => ({
      commit: async (changes) => {
        const kept = [...listeners];
        listeners.clear();
        const outcomes = await right.commit(changes);
        for (const entry of kept) listeners.add(entry);
        return outcomes;
      },
    }),
    "hints: what another handle does to uploads and files is heard",
  ),
  "hints name another upload": broken(
    (right) => ({
      subscribe: (listener) => right.subscribe?.(() => listener({ uploadId: "another" })) ?? (() => {}),
    }),
    "hints: what another handle does to uploads and files is heard",
  ),
  "a subscription does not end": broken(
    (right) => ({
      subscribe: (listener) => {
        right.subscribe?.(listener);
        return () => {};
      },
    }),
    "hints: every listener hears, and each ends for itself",
  ),
  "one end ends all": broken(
    (right, { listeners }) => ({
      subscribe: (listener) => {
        right.subscribe?.(listener);
        return () => listeners.clear();
      },
    }),
    "hints: every listener hears, and each ends for itself",
  ),
  "a new listener replaces the last": broken((right) => {
    let only: Listener | undefined;
    right.subscribe?.((hint) => only?.(hint));
    return {
      subscribe: (listener) => {
        only = listener;
        return () => {
          if (only === listener) only = undefined;
        };
      },
    };
  }, "hints: every listener hears, and each ends for itself"),
  "a closed handle hears on": broken(
    (right, { listeners }) => ({
      close: async () => {
        const kept = [...listeners];
        await right.close();
        for (const entry of kept) listeners.add(entry);
      },
    }),
    "hints: a handle with listeners closes, and hears nothing afterwards",
  ),
};
