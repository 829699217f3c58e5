import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { address, claim, fill, newSchema, opened, paths, release, sql, usePostgres } from "./database.ts";

usePostgres();

/** A state whose database has a clock that the test moves. */
async function withClock() {
  const schema = newSchema();
  const clock = newSchema();
  await sql(`CREATE SCHEMA ${clock}`);
  await sql(`CREATE TABLE ${clock}.ahead (by interval NOT NULL)`);
  await sql(`INSERT INTO ${clock}.ahead VALUES ('0')`);
  await sql(`CREATE FUNCTION ${clock}.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT pg_catalog.clock_timestamp() + (SELECT by FROM ${clock}.ahead) $$`);
  const search = encodeURIComponent(`-c search_path=${clock},pg_catalog`);
  const connectionString = `${address()}?options=${search}`;
  const store = await opened(schema, { connectionString });
  return { schema, store, set: (by: string) => sql(`UPDATE ${clock}.ahead SET by = $1`, [by]) };
}

test("leases run on the database's clock", async () => {
  const { store, set } = await withClock();
  await fill(store, 2);
  await store.heartbeat("o", 60_000);
  await claim(store, "o", 1);
  await set("59 seconds");
  expect(await store.isAlive("o")).toBe(true);
  expect(await store.rescue({ limit: 9, release })).toEqual([]);
  await set("61 seconds");
  expect(await store.isAlive("o")).toBe(false);
  expect(paths(await store.rescue({ limit: 9, release }))).toEqual(["00000"]);
});

test("the clocks of the hosts do not matter", async () => {
  const { store, set } = await withClock();
  await fill(store, 1);
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  onTestFinished(() => void vi.useRealTimers());
  await store.heartbeat("o", 60_000);
  vi.setSystemTime(Date.UTC(2400, 0, 1));
  await claim(store, "o", 1);
  expect(await store.isAlive("o")).toBe(true);
  expect(await store.rescue({ limit: 9, release })).toEqual([]);
  await set("61 seconds");
  expect(await store.isAlive("o")).toBe(false);
});

test("a database whose clock is set back does not keep the dead alive", async () => {
  const { store, set } = await withClock();
  await fill(store, 1);
  await set("2 days");
  await store.heartbeat("o", 60_000);
  await claim(store, "o", 1);
  expect(await store.isAlive("o")).toBe(true);
  await set("0");
  expect(await store.isAlive("o")).toBe(false);
  expect(paths(await store.rescue({ limit: 9, release }))).toEqual(["00000"]);
  await store.heartbeat("o", 60_000);
  expect(await store.isAlive("o")).toBe(true);
});

test("a rescue leaves alone what a living owner has claimed since it began", async () => {
  const schema = newSchema();
  const [store, other] = [await opened(schema), await opened(schema)];
  await fill(store, 2);
  await claim(store, "dead", 2);
  // Whoever compares with this owner waits at a gate, in the middle of its statement.
  const gate = new pg.Client({ connectionString: address() });
  onTestFinished(() => gate.end());
  await gate.connect();
  const [[key] = []] = await sql("SELECT oid::int8 FROM pg_namespace WHERE nspname = $1", [schema]);
  await sql(`ALTER TABLE ${schema}.owners RENAME TO known`);
  await sql(`CREATE FUNCTION ${schema}.gate() RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(${key}); RETURN true; END $$`);
  await sql(`CREATE VIEW ${schema}.owners AS SELECT * FROM ${schema}.known WHERE name <> 'slow' OR ${schema}.gate()`);
  await sql(`INSERT INTO ${schema}.known VALUES ('slow', '2000-01-01', '1 s')`);
  await sql(`UPDATE ${schema}.files SET owner = 'slow' WHERE path = '00000'`);
  const waiting = () =>
    sql("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid::int8 = $1 AND NOT granted", [key]);
  await gate.query(`SELECT pg_advisory_lock(${key})`);
  const rescued = store.rescue({ limit: 9, release });
  // The look whether anybody is dead comes first.
  await expect.poll(waiting).toHaveLength(1);
  await gate.query(`SELECT pg_advisory_unlock(${key}); SELECT pg_advisory_lock(${key})`);
  await expect.poll(waiting).toHaveLength(1);
  const file = await other.getFile("u", "00001");
  if (!file) throw new Error("no file");
  await other.commit([{ before: file, after: release(file) }]);
  await sql(`INSERT INTO ${schema}.known VALUES ('alive', clock_timestamp(), '1 hour')`);
  expect(paths(await claim(other, "alive", 1))).toEqual(["00001"]);
  await gate.query(`SELECT pg_advisory_unlock(${key})`);
  expect(paths(await rescued)).toEqual(["00000"]);
  expect(await other.getFile("u", "00001")).toMatchObject({ owner: "alive", state: "IN_PROGRESS" });
});

test("owners whose lease has run out are forgotten when a new one comes", async () => {
  const { schema, store, set } = await withClock();
  for (const name of ["a", "b", "c"]) await store.heartbeat(name, 1_000);
  await store.heartbeat("here", 3_600_000);
  await set("10 seconds");
  await store.heartbeat("new", 1_000);
  expect(await sql(`SELECT convert_from(name, 'UTF8') FROM ${schema}.owners ORDER BY 1`)).toEqual([["here"], ["new"]]);
});
