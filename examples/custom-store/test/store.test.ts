import { newFile, newNotice, newUpload, reduceFile, reduceUpload, type UploadSpec } from "@bucketline/core";
import { describe, expect, test } from "vitest";
import type { KeyValue } from "../src/key-value.ts";
import { MapKeyValue } from "../src/map-key-value.ts";
import { KeyValueStateStore } from "../src/store.ts";

const facts = { size: 1, mtimeNs: 1n, fingerprint: "f" };
const file = newFile({ uploadId: "u", path: "a", key: "u/a", ...facts }, 0);
const payload = { uploadId: "u", state: "COMPLETED", reason: null } as const;
const notice = (id: string) => newNotice({ id, subscriber: "s", event: "upload:completed", payload }, 0);
const held = reduceFile(file, { type: "claim", owner: "o" }, 0);

/** The database, with somebody who is faster: `before` happens once, just before the next transaction. */
function overtaking(database: KeyValue) {
  let before: (() => Promise<unknown>) | undefined;
  const slow: KeyValue = {
    get: (key) => database.get(key),
    set: (key, value, ttlMs) => database.set(key, value, ttlMs),
    delete: (key) => database.delete(key),
    scan: (prefix, page) => database.scan(prefix, page),
    transact: async (preconditions, writes) => {
      const faster = before;
      before = undefined;
      await faster?.();
      return database.transact(preconditions, writes);
    },
  };
  return {
    slow,
    overtake: (action: () => Promise<unknown>) => {
      before = action;
    },
  };
}

async function rivals() {
  const database = new MapKeyValue(() => 0);
  const { slow, overtake } = overtaking(database);
  const [first, second] = [new KeyValueStateStore(slow), new KeyValueStateStore(database)];
  await first.open();
  await second.open();
  await second.insertUpload(reduceUpload(newUpload("u", {} as UploadSpec, 0), { type: "start" }, 0));
  return { first, second, overtake };
}

describe("whoever is overtaken between reading and writing", () => {
  test("does not commit", async () => {
    const { first, second, overtake } = await rivals();
    overtake(() => second.commit([{ before: null, after: held }]));
    expect(await first.commit([{ before: null, after: file }])).toEqual(["conflict"]);
    expect(await second.getFile("u", "a")).toEqual(held);
    expect((await second.counters("u")).IN_PROGRESS).toEqual({ files: 1, bytes: 1 });
  });

  test("does not rescue the files of an owner that has just said that it lives", async () => {
    const { first, second, overtake } = await rivals();
    await second.commit([{ before: null, after: held }]);
    overtake(() => second.heartbeat("o", 1));
    expect(await first.rescue({ limit: 1, release: () => file })).toEqual([]);
    expect((await second.getFile("u", "a"))?.owner).toBe("o");
  });

  test("does not claim of an upload that has just been paused", async () => {
    const { first, second, overtake } = await rivals();
    await second.commit([{ before: null, after: file }]);
    overtake(async () => {
      const upload = await second.getUpload("u");
      if (upload) await second.updateUpload(upload, reduceUpload(upload, { type: "pause" }, 0));
    });
    const request = { uploadId: "u", uploadState: "IN_PROGRESS", limit: 1, now: 0, horizon: 0 } as const;
    expect(await first.claim({ ...request, take: () => held })).toEqual([]);
    expect(await second.getFile("u", "a")).toEqual(file);
  });

  test("does not tell of what did not happen, and keeps what somebody else has noted", async () => {
    const { first, second, overtake } = await rivals();
    overtake(() => second.commit([{ before: null, after: held, notices: [notice("theirs")] }]));
    expect(await first.commit([{ before: null, after: file, notices: [notice("ours")] }])).toEqual(["conflict"]);
    expect(await second.listNotices({ limit: 9 })).toEqual([notice("theirs")]);
    const begun = { ...notice("theirs"), revision: 2, attempts: 1 };
    overtake(() => second.updateNotice(notice("theirs"), begun));
    expect(await first.updateNotice(notice("theirs"), null)).toBe(false);
    expect(await second.getNotice("theirs")).toEqual(begun);
    const upload = await second.getUpload("u");
    if (!upload) throw new Error("it has been registered");
    const paused = reduceUpload(upload, { type: "pause" }, 0);
    overtake(() => second.updateNotice(begun, null));
    expect(await first.updateUpload(upload, paused, [notice("theirs")])).toBe(true);
    expect(await second.getNotice("theirs"), "it is gone by then, and so recorded").toEqual(notice("theirs"));
  });

  test("gives up when it never gets through", async () => {
    const never: KeyValue = Object.assign(new MapKeyValue(), { transact: async () => false });
    await expect(new KeyValueStateStore(never).open()).rejects.toMatchObject({ code: "STATE_BUSY" });
  });
});

test.each([
  ["2", "STATE_NEWER"],
  ["a shopping list", "STATE_CORRUPT"],
])("a database of format %j is refused with %s, and left as it is", async (format, code) => {
  const database = new MapKeyValue();
  await database.transact([], [{ key: "format", value: format }]);
  const store = new KeyValueStateStore(database);
  await expect(store.open()).rejects.toMatchObject({ code, name: "StateStoreError" });
  await expect(store.getUpload("u")).rejects.toMatchObject({ code: "STATE_CLOSED" });
  expect(await database.scan("", { limit: 10 })).toMatchObject([{ key: "format", value: format }]);
});
