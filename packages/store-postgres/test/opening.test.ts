import { expect, onTestFinished, test } from "vitest";
import { Connections } from "../src/connections.ts";
import { PostgresStateStore } from "../src/index.ts";
import { prepare } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations/index.ts";
import { settingsOf } from "../src/options.ts";
import { address, aFile, anUpload, fill, newSchema, opened, sql, usePostgres } from "./database.ts";

usePostgres();

const refusal = (code: string) => ({ code, name: "StateStoreError" });

/** What the schema holds, to see that a refusal left it as it was. */
async function contents(schema: string): Promise<unknown> {
  return sql(
    `SELECT c.relname, c.relkind, c.relnatts FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 ORDER BY 1`,
    [schema],
  );
}

async function refused(schema: string, code: string): Promise<string> {
  const before = await contents(schema);
  const store = new PostgresStateStore({ connectionString: address(), schema });
  const error = await store.open().catch((reason: unknown) => reason);
  expect(error).toMatchObject(refusal(code));
  expect(await contents(schema)).toEqual(before);
  await expect(store.getUpload("u")).rejects.toMatchObject(refusal("STATE_CLOSED"));
  await store.close();
  return String(error);
}

test("stores that open an empty database at one moment make one state", async () => {
  const schema = newSchema();
  const stores = await Promise.all(Array.from({ length: 6 }, () => opened(schema)));
  const inserted = await Promise.all(stores.map((store) => store.insertUpload(anUpload("u"))));
  expect(inserted.filter(Boolean)).toHaveLength(1);
  expect(await sql(`SELECT application, version FROM ${schema}.ledger`)).toEqual([["bucketline", MIGRATIONS.length]]);
});

test("any name of a schema will do, and each is a state of its own", async () => {
  const plain = newSchema();
  const odd = `${plain} "Quoted"; --`;
  onTestFinished(() => sql(`DROP SCHEMA "${odd.replaceAll('"', '""')}" CASCADE`).then(() => {}));
  const [first, second] = [await opened(plain), await opened(odd)];
  await fill(second, 3);
  expect(await first.getUpload("u")).toBeUndefined();
  expect((await second.counters("u")).PENDING.files).toBe(3);
});

test("a schema that is there, and empty, is used", async () => {
  const schema = newSchema();
  await sql(`CREATE SCHEMA ${schema}`);
  await fill(await opened(schema), 1);
});

test("a migration happens wholly or not at all, and the next opening goes on from there", async () => {
  const schema = newSchema();
  await fill(await opened(schema), 1);
  const settings = settingsOf({ connectionString: address(), schema });
  const connections = new Connections(settings);
  onTestFinished(() => connections.end());
  const second = (name: string) => `ALTER TABLE ${name}.uploads ADD COLUMN more int4`;
  const failing = (name: string) => `ALTER TABLE ${name}.files ADD COLUMN more int4; SELECT 1 / 0`;
  const run = (...more: ((name: string) => string)[]) =>
    connections.use((connection) => prepare(connection, settings, [...MIGRATIONS, ...more]));
  await expect(run(second, failing)).rejects.toThrow("division by zero");
  const version = async () => (await sql(`SELECT version FROM ${schema}.ledger`))[0]?.[0];
  expect(await version()).toBe(MIGRATIONS.length + 1);
  const columns = `SELECT count(*)::int FROM information_schema.columns WHERE table_schema = '${schema}' AND column_name = 'more'`;
  expect(await sql(columns)).toEqual([[1]]);
  await run(second, (name) => `ALTER TABLE ${name}.files ADD COLUMN more int4`);
  expect(await version()).toBe(MIGRATIONS.length + 2);
  expect(await sql(columns)).toEqual([[2]]);
});

test("a newer state is refused", async () => {
  const schema = newSchema();
  await (await opened(schema)).close();
  await sql(`UPDATE ${schema}.ledger SET version = 99`);
  expect(await refused(schema, "STATE_NEWER")).toContain("Upgrade Bucketline");
});

test("another application's schema is refused", async () => {
  const schema = newSchema();
  await sql(`CREATE SCHEMA ${schema}`);
  await sql(`CREATE TABLE ${schema}.files (id int4)`);
  expect(await refused(schema, "STATE_CORRUPT")).toContain("another application");
  await sql(`CREATE TABLE ${schema}.ledger (id int4)`);
  await refused(schema, "STATE_CORRUPT");
});

test("a state that has lost its version, a table or a column is refused", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  await fill(store, 1);
  await sql(`ALTER TABLE ${schema}.files RENAME COLUMN fence TO gate`);
  await expect(store.getFile("u", "00000")).rejects.toMatchObject(refusal("STATE_CORRUPT"));
  await sql(`ALTER TABLE ${schema}.files RENAME COLUMN gate TO fence`);
  await sql(`UPDATE ${schema}.files SET state = 77`);
  await expect(store.listFiles("u", { limit: 1 })).rejects.toMatchObject(refusal("STATE_CORRUPT"));
  await sql(`DROP TABLE ${schema}.parts`);
  expect(await refused(schema, "STATE_CORRUPT")).toContain("parts");
  await sql(`DELETE FROM ${schema}.ledger`);
  expect(await refused(schema, "STATE_CORRUPT")).toContain("version");
});

test("a server that becomes read only is left for another one, then refused", async () => {
  const schema = newSchema();
  const role = `${schema}_writer`;
  await fill(await opened(schema), 0);
  await sql(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'role'`);
  onTestFinished(() => sql(`DROP ROLE ${role}`).then(() => {}));
  const url = new URL(address());
  url.username = role;
  url.password = "role";
  const store = await opened(schema, { connectionString: url.href, reconnectTimeoutMs: 500 });
  const setReadOnly = async (isReadOnly: boolean) => {
    await sql(`ALTER ROLE ${role} SET default_transaction_read_only = ${isReadOnly ? "on" : "off"}`);
    await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", [role]);
  };
  await setReadOnly(true);
  const failing = store.commit([{ before: null, after: aFile("a") }]);
  await expect(failing).rejects.toMatchObject(refusal("STATE_NOT_WRITABLE"));
  const waiting = store.commit([{ before: null, after: aFile("b") }]);
  await setReadOnly(false);
  expect(await waiting).toEqual(["applied"]);
});

test("a role that may not write is refused, one that may only write rows is enough", async () => {
  const schema = newSchema();
  const role = `${schema}_role`;
  await fill(await opened(schema), 1);
  await sql(`CREATE ROLE ${role} LOGIN PASSWORD 'role'`);
  onTestFinished(() => sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`).then(() => {}));
  const url = new URL(address());
  url.username = role;
  url.password = "role";
  const open = async () => {
    const store = new PostgresStateStore({ connectionString: url.href, schema });
    onTestFinished(() => store.close());
    await store.open();
    return store;
  };
  await expect(open()).rejects.toMatchObject(refusal("STATE_NOT_WRITABLE"));
  await sql(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
  await expect(open()).rejects.toMatchObject(refusal("STATE_NOT_WRITABLE"));
  await sql(`GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
  await expect(open()).rejects.toMatchObject(refusal("STATE_NOT_WRITABLE"));
  await sql(`GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
  const store = await open();
  expect(await store.commit([{ before: null, after: aFile("a") }])).toEqual(["applied"]);
  await sql(`REVOKE UPDATE, INSERT ON ALL TABLES IN SCHEMA ${schema} FROM ${role}`);
  await expect(store.commit([{ before: null, after: aFile("b") }])).rejects.toMatchObject(
    refusal("STATE_NOT_WRITABLE"),
  );
  await sql(`ALTER ROLE ${role} SET default_transaction_read_only = on`);
  await expect(open()).rejects.toThrow("read only");
});

test("a standby and an old server are refused", async () => {
  const fake = newSchema();
  await sql(`CREATE SCHEMA ${fake}`);
  const at = `${address()}?options=${encodeURIComponent(`-c search_path=${fake},pg_catalog`)}`;
  const open = () => new PostgresStateStore({ connectionString: at, schema: newSchema() }).open();
  await sql(`CREATE FUNCTION ${fake}.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS $$ SELECT true $$`);
  await expect(open()).rejects.toThrow(/standby/);
  await expect(open()).rejects.toMatchObject(refusal("STATE_NOT_WRITABLE"));
  await sql(`CREATE FUNCTION ${fake}.current_setting(text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE $1 WHEN 'server_version_num' THEN '130021' ELSE pg_catalog.current_setting($1) END $$`);
  await expect(open()).rejects.toThrow(/14 or newer/);
});
