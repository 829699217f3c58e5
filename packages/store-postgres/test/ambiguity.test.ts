import { expect, test } from "vitest";
import { aFile, anUpload, claim, fill, newSchema, opened, paths, release, sql, usePostgres } from "./database.ts";
import { type Cut, startProxy } from "./proxy.ts";

usePostgres();

/** A store whose way to the server may break, and one on a way that does not. */
async function pair(options: { reconnectTimeoutMs?: number; statementTimeoutMs?: number } = {}) {
  const proxy = await startProxy();
  const schema = newSchema();
  const witness = await opened(schema);
  const store = await opened(schema, { connectionString: proxy.connectionString, ...options });
  return { proxy, schema, store, witness };
}

/** The whole of the message: BEGIN says "READ COMMITTED". */
const COMMIT = "COMMIT\0";

const CUTS: readonly Cut[] = ["before", "after"];

test.each(CUTS)("a commit whose connection breaks %s COMMIT happens once, and says so", async (cut) => {
  const { proxy, store, witness } = await pair();
  const [a] = await fill(witness, 2);
  if (!a) throw new Error("no file");
  proxy.cutAt(COMMIT, cut);
  const changes = [
    { before: a, after: { ...a, revision: 2, state: "UPLOADED", size: 7 } as const },
    { before: null, after: aFile("new") },
    { before: { ...a, revision: 9 }, after: { ...a, revision: 10 } },
  ];
  expect(await store.commit(changes)).toEqual(["applied", "applied", "conflict"]);
  expect(proxy.cuts).toBe(1);
  expect((await witness.getFile("u", "00000"))?.revision).toBe(2);
  expect(await witness.counters("u")).toMatchObject({
    PENDING: { files: 2, bytes: 200 },
    UPLOADED: { files: 1, bytes: 7 },
  });
});

test.each(CUTS)("registering, updating, claiming and rescuing broken %s COMMIT happen once", async (cut) => {
  const { proxy, store, witness } = await pair();
  const upload = anUpload("u");
  proxy.cutAt(COMMIT, cut);
  expect(await store.insertUpload(upload)).toBe(true);
  proxy.cutAt(COMMIT, cut);
  const after = { ...upload, revision: 2 };
  expect(await store.updateUpload(upload, after)).toBe(true);
  expect(await witness.getUpload("u")).toEqual(after);
  await witness.commit([{ before: null, after: aFile("a") }]);
  proxy.cutAt(COMMIT, cut);
  const claimed = await claim(store, "nobody", 5);
  expect(claimed).toMatchObject([{ path: "a", fence: 1, owner: "nobody" }]);
  expect(await witness.getFile("u", "a")).toEqual(claimed[0]);
  proxy.cutAt(COMMIT, cut);
  expect(paths(await store.rescue({ limit: 5, release }))).toEqual(["a"]);
  expect(await witness.getFile("u", "a")).toMatchObject({ state: "PENDING", revision: 3 });
  expect(proxy.cuts).toBe(4);
});

test("a transaction that breaks half-way is done again from its start", async () => {
  const { proxy, store, witness } = await pair();
  await fill(witness, 1);
  proxy.cutAt("INSERT INTO", "after");
  expect(await store.commit([{ before: null, after: aFile("a") }])).toEqual(["applied"]);
  expect(proxy.cuts).toBe(1);
  expect((await witness.counters("u")).PENDING.files).toBe(2);
});

test("a connection that falls silent at COMMIT is given up, and the transaction with it", async () => {
  const { proxy, store, witness } = await pair({ statementTimeoutMs: 1_000 });
  const [a] = await fill(witness, 1);
  if (!a) throw new Error("no file");
  proxy.cutAt(COMMIT, "silence");
  // The server ends the transaction by itself, so the rows are free for the second try.
  expect(await store.commit([{ before: a, after: { ...a, revision: 2 } }])).toEqual(["applied"]);
  expect(proxy.cuts).toBe(1);
  expect((await witness.getFile("u", "00000"))?.revision).toBe(2);
});

test.each(CUTS)("a commit that threw STATE_UNAVAILABLE %s COMMIT is settled by the same array", async (cut) => {
  const { proxy, store, witness } = await pair({ reconnectTimeoutMs: 300 });
  const [a] = await fill(witness, 1);
  if (!a) throw new Error("no file");
  const changes = [{ before: a, after: { ...a, revision: 2, size: 7 } }];
  proxy.cutAt(COMMIT, cut);
  proxy.isClosed = true;
  await expect(store.commit(changes)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE", name: "StateStoreError" });
  expect(proxy.cuts).toBe(1);
  await expect(store.commit(changes)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  // Other work of the same store must not wipe out the evidence.
  proxy.isClosed = false;
  expect(await store.commit([{ before: null, after: aFile("b") }])).toEqual(["applied"]);
  expect(await store.commit(changes)).toEqual(["applied"]);
  expect((await witness.getFile("u", "00000"))?.revision).toBe(2);
  expect((await witness.counters("u")).PENDING).toEqual({ files: 2, bytes: 107 });
  expect(await store.commit(changes), "settled only once").toEqual(["conflict"]);
});

test("what happened before it was overtaken is applied all the same", async () => {
  const { proxy, store, witness } = await pair({ reconnectTimeoutMs: 300 });
  const [a] = await fill(witness, 1);
  if (!a) throw new Error("no file");
  const after = { ...a, revision: 2 };
  const changes = [{ before: a, after }];
  proxy.cutAt(COMMIT, "after");
  proxy.isClosed = true;
  await expect(store.commit(changes)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  await witness.commit([{ before: after, after: { ...after, revision: 3 } }]);
  proxy.isClosed = false;
  expect(await store.commit(changes)).toEqual(["applied"]);
  expect((await witness.getFile("u", "00000"))?.revision).toBe(3);
});

test("files of a claim that threw STATE_UNAVAILABLE come with the next ones", async () => {
  const { proxy, store, witness } = await pair({ reconnectTimeoutMs: 300 });
  await fill(witness, 3);
  proxy.cutAt(COMMIT, "after");
  proxy.isClosed = true;
  await expect(claim(store, "o", 2)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  proxy.isClosed = false;
  expect(paths(await claim(store, "o", 1))).toEqual(["00000"]);
  expect(paths(await claim(store, "o", 5))).toEqual(["00001"]);
  expect(paths(await claim(store, "o", 5))).toEqual(["00002"]);
  expect((await witness.counters("u")).IN_PROGRESS.files).toBe(3);
});

test("a claim that is settled late hands over only what is still as it was claimed", async () => {
  const { proxy, store, witness } = await pair({ reconnectTimeoutMs: 300 });
  await fill(witness, 3);
  proxy.cutAt(COMMIT, "after");
  proxy.isClosed = true;
  await expect(claim(store, "o", 3)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  proxy.isClosed = false;
  const giveBack = async (path: string) => {
    const file = await witness.getFile("u", path);
    if (!file) throw new Error("no file");
    await witness.commit([{ before: file, after: release(file) }]);
    expect(paths(await claim(witness, "p", 1))).toEqual([path]);
  };
  await giveBack("00000");
  expect(paths(await claim(store, "o", 1))).toEqual(["00001"]);
  // What is left of it, too.
  await giveBack("00002");
  expect(await claim(store, "o", 9)).toEqual([]);
});

test("the number of a transaction that the server gave to another one proves nothing", async () => {
  const { proxy, schema, witness } = await pair();
  await fill(witness, 0);
  const fake = `${schema}_fake`;
  await sql(`CREATE SCHEMA ${fake}`);
  await sql(`CREATE FUNCTION ${fake}.pg_xact_status(xid8) RETURNS text LANGUAGE sql AS $$ SELECT 'committed' $$`);
  const connectionString = `${proxy.connectionString}?options=${encodeURIComponent(`-c search_path=${fake},pg_catalog`)}`;
  const store = await opened(schema, { connectionString });
  proxy.cutAt(COMMIT, "before");
  expect(await store.commit([{ before: null, after: aFile("a") }])).toEqual(["applied"]);
  expect(proxy.cuts).toBe(1);
  expect(await witness.getFile("u", "a")).toEqual(aFile("a"));
  await store.close();
  await sql(`DROP SCHEMA ${fake} CASCADE`);
});

test("closing leaves no evidence behind that nobody will ask for", async () => {
  const { schema, store, witness } = await pair();
  await fill(witness, 1);
  await store.commit([{ before: null, after: aFile("a") }]);
  const rows = async () => Number((await sql(`SELECT count(*) FROM ${schema}.commits`))[0]?.[0]);
  expect(await rows()).toBeGreaterThan(0);
  await store.close();
  await witness.close();
  expect(await rows()).toBe(0);
});
