import { expect, test } from "vitest";
import { inspectLedger, removeLedger } from "../src/index.ts";
import { address, fill, newSchema, opened, sql, usePostgres } from "./database.ts";

usePostgres();

const schemasLike = async (name: string) =>
  (await sql("SELECT nspname FROM pg_namespace WHERE nspname = $1", [name])).flat();

test("where there is no ledger, looking makes none", async () => {
  const schema = newSchema();
  const found = await inspectLedger({ connectionString: address(), schema });
  expect(found).toMatchObject({ version: 0, bytes: 0, uploads: undefined });
  expect(found.serverVersion).toMatch(/^\d+/);
  expect(await schemasLike(schema)).toEqual([]);
});

test("a ledger is looked at while a store has it", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  await fill(store, 3);
  const found = await inspectLedger({ connectionString: address(), schema });
  expect(found.version).toBe(found.latestVersion);
  expect(found.uploads).toEqual([await store.getUpload("u")]);
  expect(found.bytes).toBeGreaterThan(10_000);
});

test("older tables are named, and not brought up to date", async () => {
  const schema = newSchema();
  await (await opened(schema)).close();
  await sql(`UPDATE ${schema}.ledger SET version = 1`);
  const found = await inspectLedger({ connectionString: address(), schema });
  expect(found).toMatchObject({ version: 1, uploads: undefined });
  expect(await sql(`SELECT version FROM ${schema}.ledger`)).toEqual([[1]]);
});

test("a server that is away is said to be", async () => {
  const options = { connectionString: "postgres://nobody@127.0.0.1:1/none", reconnectTimeoutMs: 100 };
  await expect(inspectLedger(options)).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
});

test("a ledger is removed with its schema, and where there is none nothing happens", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  await fill(store, 3);
  await store.close();
  await removeLedger({ connectionString: address(), schema });
  expect(await schemasLike(schema)).toEqual([]);
  await removeLedger({ connectionString: address(), schema });
});

test("tables of somebody else are not removed", async () => {
  const schema = newSchema();
  await sql(`CREATE SCHEMA ${schema}`);
  await sql(`CREATE TABLE ${schema}.theirs (a int)`);
  await expect(removeLedger({ connectionString: address(), schema })).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  expect(await schemasLike(schema)).toEqual([schema]);
});
