import { afterEach, describe, expect, test } from "vitest";
import { exportLedger, importLedger, type StateStore } from "../src/index.ts";
import { MemoryState, MemoryStateStore } from "../src/testing/index.ts";
import { BUCKET, SOURCE, World } from "./support/bed.ts";
import { linesOf } from "./support/ledgers.ts";

const HOUR = 3_600_000;
const PARTS_AT_ONCE = 2;
const BIG = "0123456789".repeat(8);
const CONTENT = { "u/a": "1", "u/big": BIG, "u/dir/b": "22" };

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.end();
});

function newWorld(): World {
  const world = new World();
  worlds.push(world);
  for (const [key, content] of Object.entries(CONTENT)) world.write(key.slice(2), content);
  return world;
}

async function storeOf(world: World, state: MemoryState): Promise<StateStore> {
  const store = new MemoryStateStore({ clock: world.clock, state });
  await store.open();
  return store;
}

/** Uploads until the `nth` part is on its way, and dies there. The ledger that it leaves has a file in flight. */
async function killedAtPart(nth: number, mode: "once" | "watch" = "once"): Promise<{ world: World; old: StateStore }> {
  const world = newWorld();
  const doomed = world.boot({ concurrency: 1, partConcurrency: PARTS_AT_ONCE });
  const run = () => {
    doomed.kill();
    return new Promise<never>(() => {});
  };
  doomed.objects.inject({ method: "uploadPart", nth, run });
  void doomed.service.start().catch(() => {});
  void doomed.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode }).catch(() => {});
  await world.until(() => doomed.dead);
  return { world, old: await storeOf(world, world.ledger) };
}

const sentParts = (world: World) =>
  world.store.calls.filter(({ method }) => method === "uploadPart").map(({ partNumber }) => partNumber);

describe("an upload that dies on one store goes on on another", () => {
  test.each([3, 5, 9])("killed at part %i: what had been recorded is not sent again", async (nth) => {
    const { world, old } = await killedAtPart(nth);
    const [inFlight] = await old.listFiles("u", { limit: 9, states: ["IN_PROGRESS"] });
    const recorded = (await old.listParts("u", "big")).map(({ partNumber }) => partNumber);
    expect(inFlight).toMatchObject({
      path: "big",
      owner: expect.any(String),
      transfer: { multipartId: expect.any(String) },
    });
    expect(recorded.length).toBeGreaterThan(0);
    const state = new MemoryState();
    const target = await storeOf(world, state);
    await importLedger(target, exportLedger(old));
    expect(await target.getFile("u", "big")).toMatchObject({
      state: "PENDING",
      owner: null,
      transfer: inFlight?.transfer,
    });
    const before = sentParts(world).length;
    const heir = world.boot({ state: await storeOf(world, state) });
    await heir.service.start();
    await world.until(heir.service.finished("u"));
    expect(world.bucket()).toEqual(CONTENT);
    expect(world.multiparts()).toBe(0);
    expect(
      sentParts(world)
        .slice(before)
        .filter((number) => recorded.includes(number as number)),
    ).toEqual([]);
    expect(sentParts(world).length - new Set(sentParts(world)).size).toBeLessThanOrEqual(PARTS_AT_ONCE);
    expect(heir.calls("createMultipart")).toBe(1);
    expect(heir.calls("putObject")).toBe(2);
  });
});

describe("a service that works on the target meanwhile", () => {
  test("leaves a half import alone, even its multipart uploads, and takes the whole one up by itself", async () => {
    const { world, old } = await killedAtPart(6, "watch");
    const lines = await linesOf(old);
    const recorded = await old.listParts("u", "big");
    const state = new MemoryState();
    const [target, watched] = [await storeOf(world, state), await storeOf(world, state)];
    // The line of the file whose transfer is in the bucket has not come yet.
    const half = lines.filter((line) => !line.includes('"path":"big"')).slice(0, -1);
    await expect(importLedger(target, half)).rejects.toMatchObject({ code: "EXPORT_INVALID" });
    const heir = world.boot({ state: watched, orphanAge: 0, partConcurrency: PARTS_AT_ONCE });
    await heir.service.start();
    await world.clock.advance(HOUR);
    expect(world.multiparts()).toBe(1);
    expect(await heir.service.get("u")).toMatchObject({ state: "CANCELLED", reason: { code: "IMPORT_UNFINISHED" } });
    await expect(heir.service.resume("u")).rejects.toMatchObject({ code: "INVALID_TRANSITION" });
    await expect(heir.service.retry("u")).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
    const calls = world.store.calls.length;
    await importLedger(target, lines);
    await world.until(() => Object.keys(world.bucket()).length === 3);
    expect(world.bucket()).toEqual(CONTENT);
    const sentNow = world.store.calls.slice(calls).filter(({ method }) => method === "uploadPart");
    const again = sentNow.filter((call) => recorded.some((part) => part.partNumber === call.partNumber));
    expect(again).toEqual([]);
    expect(heir.calls("createMultipart")).toBe(1);
  });
});

test("an export of a running service that shows the upload done and a file, read later, not done: it goes on", async () => {
  const world = newWorld();
  const first = world.boot();
  await first.upload();
  await world.until(first.service.stop());
  const old = await storeOf(world, world.ledger);
  const done = await old.getFile("u", "a");
  if (!done) throw new Error("the file has been uploaded");
  world.write("a", "changed");
  const queued = { ...done, revision: done.revision + 1, state: "PENDING", evidence: null } as const;
  await old.commit([{ before: done, after: queued }]);
  expect(await old.getUpload("u")).toMatchObject({ state: "COMPLETED" });
  const state = new MemoryState();
  await importLedger(await storeOf(world, state), exportLedger(old));
  const heir = world.boot({ state: await storeOf(world, state) });
  await heir.service.start();
  await world.until(heir.service.finished("u"));
  expect(world.bucket()).toEqual({ ...CONTENT, "u/a": "changed" });
});
