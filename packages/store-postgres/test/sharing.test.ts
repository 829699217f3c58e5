import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { address, aFile, anUpload, claim, fill, newSchema, opened, paths, sql, usePostgres } from "./database.ts";

usePostgres();

/** A transaction of somebody else that stays open until the test ends, or `end` is called. */
async function transaction(statement: string): Promise<{ end: () => Promise<void> }> {
  const client = new pg.Client({ connectionString: address() });
  await client.connect();
  let isOpen = true;
  const end = async () => {
    if (!isOpen) return;
    isOpen = false;
    await client.end();
  };
  onTestFinished(end);
  await client.query("BEGIN");
  await client.query(statement);
  return { end };
}

test("a claim passes by rows that another transaction holds", async () => {
  const schema = newSchema();
  const [first, second] = [await opened(schema), await opened(schema)];
  await fill(first, 10);
  await transaction(`SELECT FROM ${schema}.files WHERE path < '\\x3030303034' FOR UPDATE`);
  const claimed = await Promise.all([claim(first, "o", 3), claim(second, "p", 10)]);
  expect(claimed.flatMap(paths).sort()).toEqual(["00004", "00005", "00006", "00007", "00008", "00009"]);
});

test("a rescue passes by rows that another transaction holds", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  await fill(store, 3);
  await claim(store, "nobody", 3);
  await transaction(`SELECT FROM ${schema}.files WHERE path = '\\x3030303030' FOR UPDATE`);
  const rescued = await store.rescue({ limit: 9, release: (file) => ({ ...file, state: "PENDING", owner: null }) });
  expect(paths(rescued)).toEqual(["00001", "00002"]);
});

test("a commit does not wait for the counters of another handle's commit", async () => {
  const schema = newSchema();
  const first = await opened(schema);
  await fill(first, 1);
  const shards = async () => (await sql(`SELECT DISTINCT shard FROM ${schema}.counters`)).map(([shard]) => shard);
  const [own] = await shards();
  let second = first;
  // Shards are drawn by lot, so two handles may have the same one.
  for (let n = 0; (await shards()).length < 2; n++) {
    second = await opened(schema);
    await second.commit([{ before: null, after: aFile(`drawn ${n}`) }]);
  }
  // As a commit of the first handle that is about to end.
  const held = await transaction(`SELECT FROM ${schema}.counters WHERE shard = ${own} FOR UPDATE`);
  expect(await second.commit([{ before: null, after: aFile("x") }])).toEqual(["applied"]);
  const late = first.commit([{ before: null, after: aFile("y") }]);
  await expect.poll(() => waiting(schema)).toBe(1);
  await held.end();
  expect(await late).toEqual(["applied"]);
});

test("transactions of one handle at one time have counters of their own", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  const files = await fill(store, 8);
  const changes = files.map((before) => [{ before, after: { ...before, revision: 2, size: 1 } }]);
  // The first row's transaction is held back before it can commit; the others go on.
  const held = await transaction(`SELECT FROM ${schema}.files WHERE path = '\\x3030303030' FOR UPDATE`);
  const [first, ...others] = changes.map((change) => store.commit(change));
  expect((await Promise.all(others)).flat()).toEqual(others.map(() => "applied"));
  await held.end();
  expect(await first).toEqual(["applied"]);
  expect((await store.counters("u")).PENDING).toEqual({ files: 8, bytes: 8 });
});

test("a pause waits for claims under way, and claims begun after it take nothing", async () => {
  const schema = newSchema();
  const connectionString = `${address()}?application_name=${schema}`;
  const [first, second] = [await opened(schema, { connectionString }), await opened(schema, { connectionString })];
  await fill(first, 3);
  // Keeps the claim from its end: it has read the state of the upload, and taken a file.
  const held = await transaction(`SELECT FROM ${schema}.counters FOR UPDATE`);
  const claimed = claim(first, "o", 1);
  await expect.poll(() => waitingSessions(schema)).toBe(1);
  const upload = anUpload("u");
  const paused = second.updateUpload(upload, { ...upload, revision: 2, state: "PAUSED" });
  await expect.poll(() => waitingSessions(schema)).toBe(2);
  await held.end();
  expect(paths(await claimed)).toEqual(["00000"]);
  expect(await paused).toBe(true);
  expect(await claim(first, "o", 9)).toEqual([]);
});

async function waitingSessions(name: string): Promise<number> {
  const waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1";
  return Number((await sql(waits, [name]))[0]?.[0]);
}

test("batches that write the same files in opposite order all get through", async () => {
  const schema = newSchema();
  const stores = [await opened(schema), await opened(schema)];
  const files = await fill(stores[0] as (typeof stores)[number], 60);
  const changes = files.map((before) => ({ before, after: { ...before, revision: 2 } }));
  const batches = stores.flatMap((store) => [store.commit(changes), store.commit([...changes].reverse())]);
  const outcomes = (await Promise.all(batches)).flat();
  expect(outcomes.filter((outcome) => outcome === "applied")).toHaveLength(60);
});

test("a deadlock is tried again", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  const [a, b] = await fill(store, 2);
  if (!a || !b) throw new Error("no files");
  const client = new pg.Client({ connectionString: address() });
  onTestFinished(() => client.end());
  await client.connect();
  // Ours is the one to be broken up: it finds the ring first.
  await client.query("BEGIN; SET LOCAL deadlock_timeout = '60s'");
  await client.query(`SELECT FROM ${schema}.files WHERE path = '\\x3030303031' FOR UPDATE`);
  const commit = store.commit([a, b].map((before) => ({ before, after: { ...before, revision: 2 } })));
  await expect.poll(() => waiting(schema), { timeout: 20_000 }).toBe(1);
  await client.query(`SELECT FROM ${schema}.files WHERE path = '\\x3030303030' FOR UPDATE`);
  await client.query("COMMIT");
  expect(await commit).toEqual(["applied", "applied"]);
});

test("a commit whose session the server ends in the middle is done again", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  const [a, b] = await fill(store, 2);
  if (!a || !b) throw new Error("no files");
  const held = await transaction(`SELECT FROM ${schema}.files WHERE path = '\\x3030303031' FOR UPDATE`);
  const commit = store.commit([a, b].map((before) => ({ before, after: { ...before, revision: 2, size: 1 } })));
  await expect.poll(() => waiting(schema)).toBe(1);
  const ended = await sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'",
    [schema],
  );
  expect(ended).toEqual([[true]]);
  await held.end();
  expect(await commit).toEqual(["applied", "applied"]);
  expect((await store.counters("u")).PENDING).toEqual({ files: 2, bytes: 2 });
});

async function waiting(schema: string): Promise<number> {
  const [row] = await sql(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'",
    [schema],
  );
  return Number(row?.[0]);
}

test("a statement that waits too long is busy, and nothing of it is written", async () => {
  const schema = newSchema();
  const store = await opened(schema, { statementTimeoutMs: 200 });
  const [a] = await fill(store, 1);
  if (!a) throw new Error("no file");
  const held = await transaction(`SELECT FROM ${schema}.files FOR UPDATE`);
  const changes = [{ before: a, after: { ...a, revision: 2 } }];
  await expect(store.commit(changes)).rejects.toMatchObject({ code: "STATE_BUSY", name: "StateStoreError" });
  await held.end();
  expect(await store.commit(changes)).toEqual(["applied"]);
});
