import { expect, test } from "vitest";
import type { StateStore } from "../src/ports/state-store.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { faulty } from "../src/testing/faulty.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";
import { reduceUpload } from "../src/upload.ts";
import { Uploads } from "../src/uploads.ts";
import { Heard, upload } from "./support/records.ts";

async function setUp() {
  const clock = new FakeClock(77);
  const memory = new MemoryStateStore({ clock });
  await memory.open();
  await memory.insertUpload(upload());
  const { port, inject } = faulty<StateStore>(memory);
  const heard = new Heard();
  const uploads = new Uploads({ state: port, clock, emit: heard.emit });
  /** Somebody else gets in between reading and writing. */
  const interfere = (type: "pause" | "cancel" | "start", nth = 1) =>
    inject({
      method: "updateUpload",
      nth,
      run: async ({ proceed }) => {
        const now = await uploads.get("u");
        await memory.updateUpload(now, reduceUpload(now, { type }, 1));
        return proceed();
      },
    });
  return { memory, uploads, heard, interfere };
}

test("an action is written, then told", async () => {
  const { uploads, heard, memory } = await setUp();
  expect(await uploads.apply("u", { type: "start" })).toMatchObject({
    state: "IN_PROGRESS",
    revision: 2,
    updatedAt: 77,
  });
  expect(await memory.getUpload("u")).toMatchObject({ state: "IN_PROGRESS" });
  expect(heard.events.map(({ name }) => name)).toEqual(["upload:started"]);
});

test("an action that is overtaken is worked out again from what stands there then", async () => {
  const { uploads, heard, interfere } = await setUp();
  interfere("pause");
  expect(await uploads.apply("u", { type: "cancel" })).toMatchObject({
    state: "CANCELLED",
    revision: 3,
    cleanupDue: true,
  });
  expect(heard.events).toHaveLength(1);
});

test("an action that names a revision is refused at any other one, and whoever gets in between is not overwritten", async () => {
  const { uploads, heard, memory, interfere } = await setUp();
  await expect(uploads.apply("u", { type: "pause" }, { revision: 2 })).rejects.toMatchObject({
    code: "UPLOAD_CHANGED",
  });
  interfere("start");
  await expect(uploads.apply("u", { type: "pause" }, { revision: 1 })).rejects.toMatchObject({
    code: "UPLOAD_CHANGED",
  });
  expect(heard.events).toEqual([]);
  expect(await memory.getUpload("u")).toMatchObject({ state: "IN_PROGRESS", revision: 2 });
  expect(await uploads.apply("u", { type: "pause" }, { revision: 2 })).toMatchObject({ state: "PAUSED", revision: 3 });
});

test("an action that is no longer allowed then is refused, and nothing is told", async () => {
  const { uploads, heard, interfere } = await setUp();
  interfere("cancel");
  await expect(uploads.apply("u", { type: "start" })).rejects.toMatchObject({ code: "INVALID_TRANSITION" });
  expect(heard.events).toEqual([]);
});

test("applyIfAllowed leaves alone what does not allow it, before or meanwhile", async () => {
  const { uploads, heard, interfere } = await setUp();
  expect(await uploads.applyIfAllowed("u", { type: "complete" })).toMatchObject({ state: "PENDING", revision: 1 });
  interfere("cancel");
  expect(await uploads.applyIfAllowed("u", { type: "start" })).toMatchObject({ state: "CANCELLED" });
  expect(heard.events).toEqual([]);
});

test("applyIfAllowed does what is allowed", async () => {
  const { uploads } = await setUp();
  expect(await uploads.applyIfAllowed("u", { type: "start" })).toMatchObject({ state: "IN_PROGRESS" });
});

test("an unknown id is said to be one", async () => {
  const { uploads } = await setUp();
  const unknown = { name: "UploadError", code: "UPLOAD_NOT_FOUND" };
  await expect(uploads.get("x")).rejects.toMatchObject(unknown);
  await expect(uploads.apply("x", { type: "start" })).rejects.toMatchObject(unknown);
  await expect(uploads.applyIfAllowed("x", { type: "start" })).rejects.toMatchObject(unknown);
});

test("inStates goes through all pages, also while uploads leave the state", async () => {
  const { memory, uploads } = await setUp();
  for (let number = 0; number < 350; number++) await memory.insertUpload(upload({}, `n${number}`));
  const ids: string[] = [];
  for await (const one of uploads.inStates({ states: ["PENDING"] })) {
    ids.push(one.id);
    await uploads.apply(one.id, { type: "start" });
  }
  expect(ids).toEqual(["u", ...Array.from({ length: 350 }, (_, number) => `n${number}`)]);
});

test("a record that was read before a change of our own is no news", async () => {
  const { uploads, heard } = await setUp();
  const before = await uploads.get("u");
  uploads.see(before);
  const after = await uploads.apply("u", { type: "cancel" });
  uploads.notice(before);
  uploads.notice(after);
  expect(heard.events.map(({ name }) => name)).toEqual(["upload:cancelled"]);
});

test("what somebody else has changed is told once", async () => {
  const { uploads, heard, memory } = await setUp();
  const before = await uploads.get("u");
  uploads.see(before);
  const after = reduceUpload(before, { type: "cancel" }, 1);
  await memory.updateUpload(before, after);
  uploads.notice(after);
  uploads.notice(after);
  expect(heard.events.map(({ name }) => name)).toEqual(["upload:changed"]);
});
