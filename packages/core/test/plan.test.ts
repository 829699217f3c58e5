import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type FileRecord,
  type ObjectStore,
  ObjectStoreError,
  type PlanItem,
  type PlanOptions,
  type RegisterOptions,
  reduceFile,
  SourceError,
  type SourceRoot,
  type StateStore,
} from "../src/index.ts";
import type { Faulty } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const OPTIONS: RegisterOptions = {
  ...{ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", onSourceDelete: "delete" },
};

let world: World;
let process: Process;
beforeEach(() => {
  world = new World();
  world.volume.unlinkSync(`${SOURCE}/.keep`);
  process = world.boot();
});
afterEach(async () => {
  await world.end();
});

async function itemsOf(what: RegisterOptions | string, options: PlanOptions = {}): Promise<PlanItem[]> {
  const items: PlanItem[] = [];
  for await (const item of await process.service.plan(what, options)) items.push(item);
  return items;
}

async function lines(what: RegisterOptions | string, options: PlanOptions = {}): Promise<string[]> {
  return (await itemsOf(what, options)).map(({ action, cause, path }) => `${action} ${path} (${cause})`);
}

async function totals(what: RegisterOptions | string, options: PlanOptions = {}) {
  return await (await process.service.plan(what, options)).totals();
}

function write(...paths: string[]): void {
  for (const path of paths) world.write(path, path);
}

/** From now on these methods fail. @returns how often they were called */
function forbid<T extends object>(port: Faulty<T>, methods: readonly (keyof T)[]): () => number {
  const rules = methods.map((method) =>
    port.inject({ method, times: ALWAYS, before: new Error(`${String(method)} was called`) } as never),
  );
  return () => rules.reduce((sum, { matched }) => sum + matched, 0);
}

const STATE_WRITES: readonly (keyof StateStore)[] = [
  ...(["insertUpload", "updateUpload", "commit", "claim", "heartbeat", "rescue", "retire"] as const),
];
const OBJECT_CALLS: readonly (keyof ObjectStore)[] = [
  ...(["putObject", "putStream", "deleteObject", "createMultipart", "uploadPart", "completeMultipart"] as const),
  ...(["abortMultipart", "checkBucket", "headObject", "listObjects", "listParts", "listMultiparts"] as const),
];

describe("a plan", () => {
  test("of what is not registered yet: everything is new, with the key that it would get", async () => {
    write("a", "d/b", "z");
    world.volume.symlinkSync(`${SOURCE}/a`, `${SOURCE}/link`);
    expect(await itemsOf({ ...OPTIONS, minSize: 2 })).toEqual([
      {
        ...{ action: "skip", cause: "unwanted", path: "a", key: null, size: 1, notBefore: null },
        reason: { code: "FILE_FILTERED", message: "Smaller than 2 bytes." },
      },
      { action: "upload", cause: "new", path: "d/b", key: "u/d/b", size: 3, reason: null, notBefore: null },
      {
        ...{ action: "skip", cause: "unwanted", path: "link", key: null, size: 0, notBefore: null },
        reason: { code: "SOURCE_NOT_REGULAR", message: "A symbolic link." },
      },
      {
        ...{ action: "skip", cause: "unwanted", path: "z", key: null, size: 1, notBefore: null },
        reason: { code: "FILE_FILTERED", message: "Smaller than 2 bytes." },
      },
    ]);
    expect(await process.service.list()).toEqual([]);
  });

  test("of an upload that is registered: what differs from the ledger", async () => {
    write("changed", "gone", "same", "touched");
    await process.upload(OPTIONS);
    world.write("changed", "longer than before");
    world.remove("gone");
    world.volume.utimesSync(`${SOURCE}/touched`, 1, 1);
    write("new");
    const expected = ["replace changed (changed)", "delete gone (gone)", "upload new (new)", "unchanged same (same)"];
    expect(await lines("u")).toEqual([...expected, "replace touched (changed)"]);
    expect(await lines(OPTIONS)).toEqual(await lines("u"));
    expect(await totals("u")).toMatchObject({
      ...{ uploadId: "u", complete: true, doubt: null, deletesHeld: null },
      actions: { upload: { files: 1, bytes: 3 }, replace: { files: 2, bytes: 25 }, delete: { files: 1, bytes: 4 } },
    });
    expect(JSON.parse(JSON.stringify(await itemsOf("u")))).toEqual(await itemsOf("u"));
  });

  test("compares where only times differ and bytes decide", async () => {
    write("touched");
    await process.upload({ ...OPTIONS, compare: "hash", overwrite: "never" });
    world.volume.utimesSync(`${SOURCE}/touched`, 1, 1);
    expect(await lines("u")).toEqual(["compare touched (changed)"]);
  });

  test("a failed file waits, in watch mode until its time has come", async () => {
    write("a");
    const later = { ...OPTIONS, schedule: "manual", mode: "watch" } as const;
    const failing = world.boot({ requeueFailedAfter: 1_000 });
    const denied = { kind: "rejected", operation: "putObject", bucket: BUCKET } as const;
    failing.objects.inject({ method: "putObject", times: ALWAYS, before: () => new ObjectStoreError(denied, "no") });
    await failing.service.start();
    await failing.service.register({ ...later, id: "u" });
    await failing.service.register({ ...OPTIONS, id: "v" });
    const ends = ["u", "v"].map((id) => failing.service.finished(id).catch(() => {}));
    await world.until(Promise.all(ends));
    const [record] = world.files();
    const waiting = { action: "failed", reason: { code: "OBJECT_REJECTED" } };
    expect(await itemsOf("u")).toMatchObject([{ ...waiting, notBefore: record?.nextAttemptAt }]);
    failing.kill();
    await world.clock.advance(2_000);
    expect(await itemsOf("u")).toMatchObject([{ action: "upload", cause: "retry", notBefore: null }]);
    expect(await itemsOf("v")).toMatchObject([{ ...waiting, notBefore: null }]);
  });

  test("says until when a file must be left alone", async () => {
    write("quiet", "new");
    await world.clock.advance(60_000);
    world.touch("new", -1_000);
    const [fresh, quiet] = await itemsOf({ ...OPTIONS, mode: "watch" });
    expect(fresh).toMatchObject({ action: "upload", notBefore: expect.closeTo(world.clock.now() + 4_000, -2) });
    expect(quiet).toMatchObject({ action: "upload", notBefore: null });
    expect(await itemsOf(OPTIONS)).toMatchObject([{ notBefore: null }, { notBefore: null }]);
  });

  test("touches nothing, before the service is started and after, and tells nobody", async () => {
    write("a", "b", "c");
    await process.upload({ ...OPTIONS, mode: "watch", schedule: "manual" });
    world.remove("a");
    world.write("b", "other");
    process.kill();
    process = world.boot();
    const [records, uploads] = [world.files(), [...world.ledger.uploads.values()]];
    const disk = world.volume.toJSON();
    const written = [forbid(process.state, STATE_WRITES), forbid(process.objects, OBJECT_CALLS)];
    let opened = 0;
    process.fileSystem.inject({
      method: "openRoot",
      times: ALWAYS,
      run: async ({ proceed }) => {
        const root = (await proceed()) as SourceRoot;
        const { path, facts } = root;
        const open = () => Promise.reject(new Error(`a file was opened ${++opened}`));
        return { path, facts, open, readFolder: root.readFolder.bind(root), stat: root.stat.bind(root) };
      },
    });
    expect(await lines("u")).toEqual(["delete a (gone)", "replace b (changed)", "unchanged c (same)"]);
    expect(await lines({ ...OPTIONS, id: "other" })).toEqual(["upload b (new)", "upload c (new)"]);
    expect([...written.map((count) => count()), opened]).toEqual([0, 0, 0]);
    expect([world.files(), [...world.ledger.uploads.values()]]).toEqual([records, uploads]);
    expect(world.volume.toJSON()).toEqual(disk);
    expect(process.events).toEqual([]);
  });

  test("can be gone through again, and looks anew; totals look by themselves when nobody has", async () => {
    write("a", "b");
    const plan = await process.service.plan(OPTIONS);
    for await (const item of plan) {
      expect(item.path).toBe("a");
      break;
    }
    write("c");
    expect((await plan.totals()).actions.upload).toEqual({ files: 3, bytes: 3 });
    write("d");
    const seen: string[] = [];
    for await (const { path } of plan) seen.push(path);
    expect(seen).toEqual(["a", "b", "c", "d"]);
    write("e");
    expect((await plan.totals()).actions.upload).toEqual({ files: 4, bytes: 4 });
  });

  test("finds collisions among new files, and gives keys free that would be", async () => {
    write("one/a", "one/b", "two/a");
    await process.upload({ ...OPTIONS, keyTemplate: "{id}/{name}", pattern: "one/*" });
    const options = { ...OPTIONS, id: "v", keyTemplate: "{id}/{name}" };
    expect(await lines(options)).toEqual(["upload one/a (new)", "upload one/b (new)", "skip two/a (unwanted)"]);
  });

  test("leaves an object to the file that takes over its key", async () => {
    write("one/a", "one/b");
    await process.upload({ ...OPTIONS, keyTemplate: "{id}/{name}" });
    world.remove("one/a");
    world.remove("one/b");
    write("two/a");
    const expected = ["upload two/a (new)", "remove one/a (gone)", "delete one/b (gone)"];
    expect(await lines("u")).toEqual(expected);
  });

  test("leaves an object to another upload that has its key", async () => {
    write("a");
    await process.upload({ ...OPTIONS, keyTemplate: "{path}" });
    await process.service.register({ ...OPTIONS, id: "v", keyTemplate: "{path}" });
    await world.until(process.service.finished("v"));
    world.remove("a");
    write("b");
    expect(await lines("u")).toEqual(["remove a (gone)", "upload b (new)"]);
  });
});

describe("what may not be believed", () => {
  beforeEach(async () => {
    write("a", "d/b", "keep");
    await process.upload({ ...OPTIONS, deleteLimit: { files: 1 } });
  });

  test("a folder that cannot be read: what is in it is left, and no object is deleted", async () => {
    world.remove("a");
    process.fileSystem.inject({
      method: "openRoot",
      times: ALWAYS,
      run: async ({ proceed }) => {
        const root = (await proceed()) as SourceRoot;
        const readFolder = async (path: string) => {
          if (path === "d") throw new SourceError("SOURCE_NOT_READABLE", "made unreadable");
          return await root.readFolder(path);
        };
        const { path, facts } = root;
        return { path, facts, readFolder, stat: root.stat.bind(root), open: root.open.bind(root) };
      },
    });
    expect(await lines("u")).toEqual(["delete a (gone)", "unreadable d/ (unreadable)", "unchanged keep (same)"]);
    expect(await totals("u")).toMatchObject({ complete: false, deletesHeld: { code: "SOURCE_NOT_READABLE" } });
  });

  test("an empty folder: nothing is gone, unless somebody vouches for it", async () => {
    for (const path of ["a", "d/b", "keep"]) world.remove(path);
    expect(await itemsOf("u")).toEqual([]);
    expect(await totals("u")).toMatchObject({ complete: true, doubt: { code: "SOURCE_DOUBTFUL" }, deletesHeld: null });
    const trusted = await totals("u", { trustFolder: true });
    expect(trusted).toMatchObject({ doubt: null, actions: { delete: { files: 3 } } });
    expect(trusted.deletesHeld?.code).toBe("DELETE_REFUSED");
    expect(await totals("u", { trustFolder: true, allowDeletes: true })).toMatchObject({ deletesHeld: null });
  });

  test("an empty folder of which all is gone already is no reason for doubt, and deletes nothing", async () => {
    for (const path of ["a", "d/b", "keep"]) world.remove(path);
    await world.until(process.service.check("u", { trustFolder: true }));
    expect(world.files().filter(({ state }) => state === "REMOVED")).toHaveLength(3);
    expect(await itemsOf("u")).toEqual([]);
    expect(await totals("u")).toMatchObject({ doubt: null, deletesHeld: null });
    expect(await lines("u", { trustFolder: true })).toEqual([
      "delete a (gone)",
      "delete d/b (gone)",
      "delete keep (gone)",
    ]);
  });

  test("another device", async () => {
    const before = world.ledger.uploads.get("u");
    if (!before?.lastScan) throw new Error("There is no scan.");
    world.ledger.uploads.set("u", { ...before, lastScan: { ...before.lastScan, device: "another" } });
    world.remove("a");
    write("new");
    expect(await lines("u")).toEqual(["unchanged d/b (same)", "unchanged keep (same)", "upload new (new)"]);
    expect((await totals("u")).doubt?.code).toBe("SOURCE_DOUBTFUL");
    expect(await lines("u", { trustFolder: true })).toContain("delete a (gone)");
  });

  test("more deletes than the guard lets pass", async () => {
    world.remove("a");
    expect((await totals("u")).deletesHeld).toBeNull();
    world.remove("d/b");
    expect((await totals("u")).deletesHeld?.message).toContain("2 of 3 objects");
    expect(await totals("u")).toMatchObject({ actions: { delete: { files: 2 } }, doubt: null });
  });
});

describe("asking the bucket", () => {
  beforeEach(async () => {
    write("a", "b");
    const request = { bucket: BUCKET, key: "u/a", settings: {}, token: "stranger", body: Buffer.from("x") };
    await world.store.putObject({ ...request, checksum: "crc32:8cdc1683" });
  });

  test("not by default", async () => {
    const asked = forbid(process.objects, OBJECT_CALLS);
    expect(await lines({ ...OPTIONS, overwrite: "never" })).toEqual(["upload a (new)", "upload b (new)"]);
    expect(asked()).toBe(0);
  });

  test("tells what would be replaced, or left alone", async () => {
    expect(await lines(OPTIONS, { askBucket: true })).toEqual(["replace a (new)", "upload b (new)"]);
    const items = await itemsOf({ ...OPTIONS, overwrite: "never" }, { askBucket: true });
    expect(items).toMatchObject([
      { action: "skip", path: "a", key: null, reason: { code: "OBJECT_EXISTS" } },
      { action: "upload", path: "b" },
    ]);
  });

  test("knows an object that was sent for these very bytes and never recorded", async () => {
    const options = { ...OPTIONS, pattern: "b", overwrite: "never" } as const;
    const dying = world.boot();
    dying.objects.inject({
      method: "putObject",
      run: async ({ proceed }) => {
        await proceed();
        dying.kill();
      },
    });
    await dying.service.start();
    await dying.service.register(options);
    await world.until(() => dying.dead);
    await world.clock.advance(60_000);
    expect(await lines("u", { askBucket: true })).toEqual(["settle b (inFlight)"]);
    const now = world.clock.now();
    const release = (file: FileRecord) => reduceFile(file, { type: "release", burnt: true }, now);
    await process.state.port.rescue({ limit: 9, release });
    expect(await lines("u", { askBucket: true })).toEqual(["upload b (queued)"]);
    await world.until(process.service.start());
    await world.until(process.service.finished("u"));
    expect(world.files()).toMatchObject([{ state: "UPLOADED" }]);
  });

  test("fails when the bucket is missing", async () => {
    const plan = await process.service.plan({ ...OPTIONS, bucket: "missing" }, { askBucket: true });
    await expect(plan.totals()).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
  });
});

describe("refuses", () => {
  const plan = (what: RegisterOptions | string, options?: PlanOptions) => process.service.plan(what, options);

  test("what register refuses, and what cannot be scanned here", async () => {
    write("a");
    await expect(plan({ ...OPTIONS, pattern: [] })).rejects.toMatchObject({ code: "INVALID_PATTERN" });
    await expect(plan({ ...OPTIONS, sourceFolder: "/nowhere" })).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    await expect(plan({ ...OPTIONS, rootMarker: "m" })).rejects.toMatchObject({ code: "SOURCE_DOUBTFUL" });
    await expect(plan({ ...OPTIONS, host: "elsewhere" })).rejects.toMatchObject({ code: "UPLOAD_ELSEWHERE" });
    await expect(plan("u")).rejects.toMatchObject({ code: "UPLOAD_NOT_FOUND" });
    await process.upload(OPTIONS);
    await expect(plan({ ...OPTIONS, pattern: "*" })).rejects.toMatchObject({ code: "UPLOAD_EXISTS" });
    await process.service.cancel("u");
    await expect(plan("u")).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
  });

  test("to go on when it is aborted, or the service is stopped", async () => {
    write("a", "d/b");
    const controller = new AbortController();
    const aborted = await plan(OPTIONS, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(aborted.totals()).rejects.toThrow("enough");
    await expect(plan(OPTIONS, { signal: controller.signal })).rejects.toThrow("enough");
    const stopped = await plan(OPTIONS);
    await process.service.stop();
    await expect(stopped.totals()).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
    await expect(plan(OPTIONS)).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
  });

  test("to go on in the middle of it", async () => {
    for (let n = 0; n < 1_000; n++) write(`f${n}`);
    const controller = new AbortController();
    const seen: string[] = [];
    const going = async () => {
      for await (const { path } of await plan(OPTIONS, { signal: controller.signal })) {
        seen.push(path);
        controller.abort(new Error("enough"));
      }
    };
    await expect(going()).rejects.toThrow("enough");
    expect(seen.length).toBeLessThan(1_000);
  });
});
