import { stateStoreCases } from "@bucketline/conformance";
import { describe, expect, test } from "vitest";
import { newFile } from "../src/file.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { MemoryState } from "../src/testing/memory-state.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";
import { newUpload, type UploadSpec } from "../src/upload.ts";

async function opened(clock: FakeClock, state = new MemoryState()): Promise<MemoryStateStore> {
  const store = new MemoryStateStore({ clock, state });
  await store.open();
  return store;
}

describe("conformance", () => {
  const open = async () => {
    const clock = new FakeClock();
    const store = await opened(clock);
    return {
      store,
      reopen: async () => {
        await store.close();
        return opened(clock, store.state);
      },
      another: () => opened(clock, store.state),
      pass: (ms: number) => clock.advance(ms),
      close: () => store.close(),
    };
  };
  for (const { name, run } of stateStoreCases({ open })) test(name, run);
});

test("a store with the state of one that died goes on where that one stopped", async () => {
  const clock = new FakeClock();
  const first = await opened(clock);
  await first.insertUpload(newUpload("u", {} as UploadSpec, 0));
  const second = await opened(clock, first.state);
  expect((await second.getUpload("u"))?.id).toBe("u");
});

test("a wall clock step does not end a lease, passing time does", async () => {
  const clock = new FakeClock();
  const store = await opened(clock);
  await store.insertUpload(newUpload("u", {} as UploadSpec, 0));
  const facts = { size: 1, mtimeNs: 0n, fingerprint: "" };
  const file = {
    ...newFile({ uploadId: "u", path: "a", key: "a", ...facts }, 0),
    state: "IN_PROGRESS",
    owner: "o",
  } as const;
  await store.commit([{ before: null, after: file }]);
  await store.heartbeat("o", 60_000);
  const release = () => ({ ...file, state: "PENDING", owner: null, revision: 2 }) as const;
  clock.step(86_400_000);
  expect(await store.rescue({ limit: 1, release })).toEqual([]);
  clock.step(-2 * 86_400_000);
  expect(await store.rescue({ limit: 1, release })).toEqual([]);
  await clock.advance(60_000);
  expect(await store.rescue({ limit: 1, release })).toEqual([release()]);
});

test("nothing has happened before the microtask after a call", async () => {
  const store = await opened(new FakeClock());
  const inserted = store.insertUpload(newUpload("u", {} as UploadSpec, 0));
  expect(store.state.uploads.size).toBe(0);
  await inserted;
  expect(store.state.uploads.size).toBe(1);
});
