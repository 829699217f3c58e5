import { randomBytes } from "node:crypto";
import type { StateStoreHarness } from "@bucketline/conformance";
import {
  type FileRecord,
  newFile,
  newUpload,
  reduceFile,
  type StateStore,
  type UploadRecord,
  type UploadSpec,
} from "@bucketline/core";
import { postgresForTests } from "@bucketline/postgres-sandbox";
import pg from "pg";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { PostgresStateStore, type PostgresStateStoreOptions } from "../src/index.ts";

let server: Awaited<ReturnType<typeof postgresForTests>> | undefined;

/** One server for the tests of a file; every test has a schema to itself. */
export function usePostgres(): void {
  beforeAll(async () => {
    server = await postgresForTests();
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
    server = undefined;
  }, 60_000);
}

export function address(): string {
  if (!server) throw new Error("usePostgres() comes first.");
  return server.connectionString;
}

/** A new name, dropped with all it holds when the test is over. */
export function newSchema(): string {
  const schema = `test_${randomBytes(6).toString("hex")}`;
  onTestFinished(() => sql(`DROP SCHEMA IF EXISTS ${schema} CASCADE`).then(() => {}));
  return schema;
}

/** Rows of one statement on a connection of its own. */
export async function sql(text: string, values: unknown[] = [], connectionString = address()): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, values, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}

/** An open store that the end of the running test closes. */
export async function opened(schema: string, options: PostgresStateStoreOptions = {}): Promise<PostgresStateStore> {
  const where = options.pool === undefined ? { connectionString: address() } : {};
  const store = new PostgresStateStore({ ...where, schema, ...options });
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

/** A state in a schema of its own, for the conformance cases. */
export function openHarness(options: () => PostgresStateStoreOptions = () => ({})): Promise<StateStoreHarness> {
  return harnessOf(`case_${randomBytes(6).toString("hex")}`, options);
}

/** Of the state in a schema, which is dropped at the end. */
export async function harnessOf(
  schema: string,
  options: () => PostgresStateStoreOptions = () => ({}),
): Promise<StateStoreHarness> {
  const handles: PostgresStateStore[] = [];
  const another = async () => {
    const where = { schema, connectionString: address(), ...options() };
    const store = new PostgresStateStore(where);
    handles.push(store);
    await store.open();
    return store;
  };
  const store = await another();
  return {
    store,
    another,
    reopen: async () => {
      await store.close();
      return another();
    },
    close: async () => {
      for (const handle of handles) await handle.close();
      await sql(`DROP SCHEMA ${schema} CASCADE`);
    },
  };
}

const NOW = Date.UTC(2026, 0, 1);

export function anUpload(id: string): UploadRecord {
  return { ...newUpload(id, {} as UploadSpec, NOW), state: "IN_PROGRESS" };
}

export function aFile(path: string, overrides: Partial<FileRecord> = {}): FileRecord {
  const facts = { size: 100, mtimeNs: BigInt(NOW) * 1_000_000n, fingerprint: `1:2:100:${path}` };
  return { ...newFile({ uploadId: "u", path, key: `u/${path}`, ...facts }, NOW), ...overrides };
}

/** Inserts upload `u` with files `00000`, `00001`, … */
export async function fill(store: StateStore, count: number): Promise<FileRecord[]> {
  await store.insertUpload(anUpload("u"));
  const files = Array.from({ length: count }, (_, n) => aFile(String(n).padStart(5, "0")));
  for (let first = 0; first < count; first += 1_000) {
    await store.commit(files.slice(first, first + 1_000).map((after) => ({ before: null, after })));
  }
  return files;
}

const take = (owner: string) => (file: FileRecord) => reduceFile(file, { type: "claim", owner }, NOW);

export const release = (file: FileRecord) => reduceFile(file, { type: "release", burnt: true }, NOW);

export function claim(store: StateStore, owner: string, limit: number): Promise<FileRecord[]> {
  const horizon = NOW + 1e12;
  return store.claim({ uploadId: "u", uploadState: "IN_PROGRESS", limit, now: NOW, horizon, take: take(owner) });
}

export const paths = (files: readonly FileRecord[]): string[] => files.map((file) => file.path);
