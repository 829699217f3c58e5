import { stateStoreCases } from "@bucketline/conformance";
import pg from "pg";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import type { PostgresStateStoreOptions } from "../src/index.ts";
import { address, aFile, anUpload, fill, newSchema, opened, openHarness, sql, usePostgres } from "./database.ts";

usePostgres();

/** Of an application that sets everything otherwise than we do. */
const SESSION = [
  ...["bytea_output=escape", "default_transaction_isolation=serializable", "IntervalStyle=iso_8601"],
  ...["standard_conforming_strings=off", "synchronous_commit=off", "DateStyle=German", "statement_timeout=0"],
];

function poolOf(config: pg.PoolConfig = {}): pg.Pool {
  const options = SESSION.map((setting) => `-c ${setting}`).join(" ");
  return new pg.Pool({ connectionString: address(), options, max: 8, ...config });
}

function testPool(config?: pg.PoolConfig): pg.Pool {
  const pool = poolOf(config);
  onTestFinished(() => pool.end());
  return pool;
}

/** The groups in which a session's own settings might show; every case opens a schema, which takes its time. */
function conformance(groups: RegExp, make: () => PostgresStateStoreOptions): void {
  const cases = stateStoreCases({ open: () => openHarness(make) });
  for (const { name, run } of cases.filter((each) => groups.test(each.name))) test(name, run);
}

describe("on a pool that was handed in, with parsers and settings of its own", () => {
  let pool: pg.Pool | undefined;
  afterAll(async () => {
    await pool?.end();
  });
  conformance(/^(commit|counters|claim|lease|hints|two handles)/, () => {
    pool ??= poolOf({ types: { getTypeParser: () => () => "not what was asked for" } });
    return { pool, connectionString: undefined };
  });
});

test("a pool that was handed in works after the store is closed", async () => {
  const pool = testPool();
  const schema = newSchema();
  const store = await opened(schema, { pool });
  store.subscribe?.(() => {});
  await fill(store, 1);
  await store.close();
  const { rows } = await pool.query<{ setting: string }>("SELECT current_setting('enable_seqscan') AS setting");
  expect(rows).toEqual([{ setting: "on" }]);
  await expect.poll(() => pool.totalCount - pool.idleCount).toBe(0);
  expect(pool.listenerCount("error")).toBe(0);
  await store.open();
  expect((await store.getFile("u", "00000"))?.path).toBe("00000");
});

test("what is left of sessions that were handed in is as it was", async () => {
  const pool = testPool({ max: 2 });
  const store = await opened(newSchema(), { pool });
  await fill(store, 1);
  for (const name of [
    "statement_timeout",
    "enable_seqscan",
    "synchronous_commit",
    "idle_in_transaction_session_timeout",
  ]) {
    const { rows } = await pool.query(
      `SELECT current_setting('${name}') AS now, reset_val AS before FROM pg_settings WHERE name = '${name}'`,
    );
    expect(rows[0].now, name).toBe(rows[0].before);
  }
});

test("writes are synced, and time out, whatever the session says", async () => {
  const schema = newSchema();
  const store = await opened(schema, { pool: testPool(), statementTimeoutMs: 12_345 });
  await fill(store, 0);
  await sql(`CREATE TABLE ${schema}.seen (name text, value text)`);
  await sql(`CREATE FUNCTION ${schema}.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO ${schema}.seen SELECT name, setting FROM pg_settings
      WHERE name IN ('synchronous_commit', 'statement_timeout', 'transaction_isolation');
    RETURN NEW; END $$`);
  await sql(`CREATE TRIGGER look BEFORE INSERT ON ${schema}.files FOR EACH ROW EXECUTE FUNCTION ${schema}.look()`);
  await store.commit([{ before: null, after: aFile("a") }]);
  expect(Object.fromEntries((await sql(`SELECT * FROM ${schema}.seen`)) as [string, string][])).toEqual({
    synchronous_commit: "on",
    statement_timeout: "12345",
    transaction_isolation: "read committed",
  });
});

test("a pool that was ended before its store says so", async () => {
  const pool = poolOf();
  const store = await opened(newSchema(), { pool });
  await pool.end();
  await expect(store.getUpload("u")).rejects.toMatchObject({
    code: "STATE_CLOSED",
    message: expect.stringMatching(/ended/),
  });
});

test("a pool that gives up a query before the server does makes the call try again", async () => {
  const schema = newSchema();
  const store = await opened(schema, { pool: testPool({ query_timeout: 300 }), reconnectTimeoutMs: 400 });
  const [a] = await fill(store, 1);
  if (!a) throw new Error("no file");
  const client = new pg.Client({ connectionString: address() });
  onTestFinished(() => client.end());
  await client.connect();
  await client.query(`BEGIN; SELECT FROM ${schema}.files FOR UPDATE`);
  const changes = [{ before: a, after: { ...a, revision: 2 } }];
  await expect(store.commit(changes)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
  const late = store.commit(changes);
  await client.query("ROLLBACK");
  expect(await late).toEqual(["applied"]);
});

test("an error of an idle connection does not reach the process", async () => {
  const pool = testPool({ application_name: "handed in" });
  const store = await opened(newSchema(), { pool });
  await fill(store, 1);
  const ended = await sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handed in'",
  );
  expect(ended.length).toBeGreaterThan(0);
  await expect.poll(() => pool.totalCount).toBe(0);
  expect(await store.getUpload("u")).toEqual(anUpload("u"));
});

describe("behind a pooler that hands connections out per transaction", () => {
  // A pool whose clients are used once is what such a pooler looks like: no session outlives its transaction.
  let pool: pg.Pool | undefined;
  afterAll(async () => {
    await pool?.end();
  });
  conformance(/^(claim|lease)/, () => {
    pool ??= poolOf({ maxUses: 1, max: 4 });
    return { pool, connectionString: undefined, transactionPooler: true };
  });

  test("there is no subscribe, no prepared statement, and no setting of a session", async () => {
    const store = await opened(newSchema(), { transactionPooler: true, maxConnections: 1 });
    expect(store.subscribe).toBeUndefined();
    await fill(store, 1);
    const one = testPool({ max: 1 });
    const other = await opened(newSchema(), { pool: one, transactionPooler: true });
    await fill(other, 1);
    expect((await one.query("SELECT * FROM pg_prepared_statements")).rows).toEqual([]);
  });
});
