import {
  type FileRecord,
  type HistoryEntry,
  type Notice,
  newNotice,
  reduceNotice,
  type StateStore,
} from "@bucketline/core";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { aFile, anUpload, fill, newSchema, opened, sql, usePostgres } from "./database.ts";
import { openVersion1 } from "./first-version.ts";
import { type Cut, startProxy } from "./proxy.ts";

usePostgres();

const NOW = Date.UTC(2026, 0, 1);
/** The whole of the message: BEGIN says "READ COMMITTED". */
const COMMIT = "COMMIT\0";
const CUTS: readonly Cut[] = ["before", "after"];

function aNotice(id: string, overrides: Partial<Notice> = {}): Notice {
  const payload = { uploadId: "u", state: "COMPLETED", reason: null } as const;
  return { ...newNotice({ id, subscriber: "s", event: "upload:completed", payload }, NOW), ...overrides };
}

const all = (store: StateStore) => store.listNotices({ limit: 100 });
const next = <T extends { readonly revision: number }>(record: T): T => ({ ...record, revision: record.revision + 1 });

/** A store whose way to the server may break, one on a way that does not, and a file of upload `u`. */
async function pair(options: { reconnectTimeoutMs?: number } = {}) {
  const proxy = await startProxy();
  const schema = newSchema();
  const witness = await opened(schema);
  const [file] = await fill(witness, 1);
  if (!file) throw new Error("no file");
  const store = await opened(schema, { connectionString: proxy.connectionString, ...options });
  /** The next COMMIT breaks, and after it the server is out of reach until `isClosed` is false again. */
  const outage = (cut: Cut) => {
    proxy.cutAt(COMMIT, cut);
    proxy.isClosed = true;
  };
  return { proxy, schema, store, witness, file, outage };
}

test.each(CUTS)("notices whose transaction breaks %s COMMIT are recorded once", async (cut) => {
  const { proxy, store, witness, file } = await pair();
  const upload = anUpload("u");
  proxy.cutAt(COMMIT, cut);
  const changes = [
    { before: file, after: next(file), notices: [aNotice("b"), aNotice("a")] },
    { before: file, after: next(file), notices: [aNotice("never")] },
  ];
  expect(await store.commit(changes)).toEqual(["applied", "conflict"]);
  proxy.cutAt(COMMIT, cut);
  expect(await store.updateUpload(upload, next(upload), [aNotice("c")])).toBe(true);
  expect(await all(witness)).toEqual([aNotice("a"), aNotice("b"), aNotice("c")]);
  proxy.cutAt(COMMIT, cut);
  const taken = next(aNotice("a"));
  expect(await store.updateNotice(aNotice("a"), taken)).toBe(true);
  proxy.cutAt(COMMIT, cut);
  expect(await store.updateNotice(aNotice("b"), null)).toBe(true);
  expect(await all(witness)).toEqual([taken, aNotice("c")]);
  expect(proxy.cuts).toBe(4);
});

test.each(CUTS)(
  "a commit that threw STATE_UNAVAILABLE %s COMMIT neither doubles nor loses its notices",
  async (cut) => {
    const { proxy, store, witness, file, outage } = await pair({ reconnectTimeoutMs: 300 });
    const changes = [{ before: file, after: next(file), notices: [aNotice("n")] }];
    outage(cut);
    await expect(store.commit(changes)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
    // Somebody may have delivered it by then.
    if (cut === "after") expect(await witness.updateNotice(aNotice("n"), null)).toBe(true);
    proxy.isClosed = false;
    expect(await store.commit(changes)).toEqual(["applied"]);
    expect(await all(witness)).toEqual(cut === "after" ? [] : [aNotice("n")]);
  },
);

test.each(CUTS)("the same holds for the change of an upload, %s COMMIT", async (cut) => {
  const { proxy, store, witness, outage } = await pair({ reconnectTimeoutMs: 300 });
  const upload = anUpload("u");
  const after = next(upload);
  outage(cut);
  const update = () => store.updateUpload(upload, after, [aNotice("n")]);
  await expect(update()).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  if (cut === "after") expect(await witness.updateNotice(aNotice("n"), null)).toBe(true);
  proxy.isClosed = false;
  expect(await update()).toBe(true);
  expect(await witness.getUpload("u")).toEqual(after);
  expect(await all(witness)).toEqual(cut === "after" ? [] : [aNotice("n")]);
});

test("what became of an update of a notice is told to whoever asks for the same, and to nobody else", async () => {
  const { proxy, store, witness, file, outage } = await pair({ reconnectTimeoutMs: 300 });
  await witness.commit([{ before: file, after: next(file), notices: [aNotice("a"), aNotice("b")] }]);
  const [a, b] = [aNotice("a"), aNotice("b")];
  const taken = next(a);
  outage("after");
  await expect(store.updateNotice(a, taken)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  proxy.isClosed = false;
  expect(await all(store), "there is a connection again").toEqual([taken, b]);
  outage("after");
  await expect(store.updateNotice(b, null)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  proxy.isClosed = false;
  // The removal of what the first one made is an update of its own.
  expect(await store.updateNotice(taken, null)).toBe(true);
  expect(await all(witness)).toEqual([]);
  expect(await store.updateNotice(b, null), "settled").toBe(true);
  expect(await store.updateNotice(b, null), "settled only once").toBe(false);
  expect(await store.updateNotice(a, taken), "settled").toBe(true);
  expect(await store.updateNotice(a, taken), "settled only once").toBe(false);
});

test("a change without notices costs no round trip for them, one with any number costs one", async () => {
  const store = await opened(newSchema(), { maxConnections: 1 });
  await fill(store, 1);
  const upload = anUpload("u");
  const query = vi.spyOn(pg.Client.prototype, "query");
  onTestFinished(() => query.mockRestore());
  const roundTrips = async (work: Promise<unknown>) => {
    query.mockClear();
    await work;
    return query.mock.calls.filter(([config]) => !JSON.stringify(config).includes("pg_notify")).length;
  };
  const three = [aNotice("1"), aNotice("2"), aNotice("3")];
  const withFile = await roundTrips(store.commit([{ before: null, after: aFile("x"), notices: [] }]));
  const withUpload = await roundTrips(store.updateUpload(upload, next(upload)));
  expect(await roundTrips(store.commit([{ before: null, after: aFile("y"), notices: three }]))).toBe(withFile + 1);
  const again = next(next(upload));
  expect(await roundTrips(store.updateUpload(next(upload), again, [aNotice("4")]))).toBe(withUpload + 1);
  expect(await all(store)).toEqual([...three, aNotice("4")]);
});

test("two transactions that record the same notices in other orders both end", async () => {
  const schema = newSchema();
  const stores = [await opened(schema), await opened(schema)];
  await fill(stores[0] as StateStore, 0);
  const notices = Array.from({ length: 200 }, (_, n) => aNotice(String(n).padStart(3, "0")));
  const record = (store: StateStore, own: string, some: readonly Notice[]) =>
    store.commit([{ before: null, after: aFile(own), notices: some }]);
  for (let round = 0; round < 5; round++) {
    const orders = [notices, [...notices].reverse()];
    const outcomes = await Promise.all(stores.map((store, n) => record(store, `${round} ${n}`, orders[n] ?? [])));
    expect(outcomes).toEqual([["applied"], ["applied"]]);
    expect(await stores[0]?.listNotices({ limit: 1_000 })).toEqual(notices);
    await Promise.all(notices.map((notice) => stores[0]?.updateNotice(notice, null)));
  }
});

test("other hosts hear of a notice that is revived", async () => {
  const { store, witness, file } = await pair();
  const dead = aNotice("n", { state: "DEAD", attempts: 9 });
  await witness.commit([{ before: file, after: next(file), notices: [dead] }]);
  const hints: unknown[] = [];
  onTestFinished(store.subscribe?.((hint) => hints.push(hint)) ?? (() => {}));
  await expect.poll(() => hints).toContainEqual({});
  hints.length = 0;
  const revived = reduceNotice(dead, { type: "revive" }, NOW);
  expect(await witness.updateNotice(dead, revived)).toBe(true);
  await expect.poll(() => hints).toContainEqual({ uploadId: "u" });
});

test("a state of the first version takes histories and notices", async () => {
  const { store, another, close } = (await openVersion1()).harness;
  onTestFinished(close);
  expect(await all(store)).toEqual([]);
  const before = await store.getFile("u", "a");
  if (!before) throw new Error("no file");
  expect(before.history).toEqual([]);
  const reason = { code: "INTEGRITY", message: "caf\u00e9 \ud800 \0 \u{1f5fb}" } as const;
  const history: readonly HistoryEntry[] = [
    { at: NOW, what: "retry", attempt: 1, reason },
    { at: NOW + 1, what: "changed", attempt: 0, reason: null },
  ];
  const after: FileRecord = { ...next(before), history };
  expect(await store.commit([{ before, after, notices: [aNotice("n")] }])).toEqual(["applied"]);
  const other = await another?.();
  expect(await other?.getFile("u", "a")).toEqual(after);
  expect(await other?.listNotices({ limit: 10 })).toEqual([aNotice("n")]);
});

test("a file to which nothing has happened has no history in its row", async () => {
  const schema = newSchema();
  const [file] = await fill(await opened(schema), 1);
  expect(file?.history).toEqual([]);
  expect(await sql(`SELECT count(*)::int, count(history)::int FROM ${schema}.files`)).toEqual([[1, 0]]);
});

test("a ledger that has lost its notices is refused", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  await fill(store, 0);
  await store.commit([{ before: null, after: aFile("a"), notices: [aNotice("n")] }]);
  await sql(`UPDATE ${schema}.notices SET state = 7`);
  await expect(store.getNotice("n")).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  await sql(`DROP TABLE ${schema}.notices`);
  await expect(opened(schema)).rejects.toMatchObject({ code: "STATE_CORRUPT", message: /lost its table notices/ });
});
