import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { prepareBinaries } from "../src/binaries.ts";
import { type PostgresOptions, postgresForTests, startPostgres } from "../src/index.ts";

const STARTED = fileURLToPath(new URL("./started.ts", import.meta.url));

async function started(options?: PostgresOptions) {
  const server = await startPostgres(options);
  onTestFinished(() => server.stop());
  return server;
}

async function ask(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: "array" });
    return rows.flat();
  } finally {
    await client.end();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

test("it answers, keeps its data over a restart on the same port, and leaves nothing behind", async () => {
  const server = await started();
  const { connectionString, port, pid } = server;
  expect(new URL(connectionString)).toMatchObject({ hostname: "127.0.0.1", port: String(port) });
  const [folder] = await ask(connectionString, "SHOW data_directory");
  await ask(connectionString, "CREATE TABLE kept AS SELECT 'ä' AS name");

  await server.restart();
  expect(server.port).toBe(port);
  expect(server.pid).not.toBe(pid);
  expect(await ask(server.connectionString, "SELECT name FROM kept")).toEqual(["ä"]);

  expect(existsSync(String(folder))).toBe(true);
  await server.stop();
  await server.stop();
  expect(isAlive(server.pid)).toBe(false);
  expect(existsSync(dirname(String(folder)))).toBe(false);
});

test("killed, it breaks its connections; restarted, it has every commit that it answered", async () => {
  const server = await started();
  const client = new Client({ connectionString: server.connectionString });
  const broken = once(client, "error");
  await client.connect();
  await client.query("CREATE TABLE kept (n int)");
  await client.query("INSERT INTO kept VALUES (1)");
  await client.query("BEGIN");
  await client.query("INSERT INTO kept VALUES (2)");

  await server.kill();
  await broken;
  await expect(ask(server.connectionString, "SELECT 1")).rejects.toThrow("ECONNREFUSED");
  await server.restart();
  expect(await ask(server.connectionString, "SELECT n FROM kept")).toEqual([1]);
});

test("it ends, data and all, with the process that started it, though that one is killed", async () => {
  const parent = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", STARTED]);
  onTestFinished(() => void parent.kill("SIGKILL"));
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const { connectionString, pid } = JSON.parse(line.toString()) as { connectionString: string; pid: number };
  const [folder] = await ask(connectionString, "SHOW data_directory");
  expect(isAlive(pid)).toBe(true);

  parent.kill("SIGKILL");
  await until(() => !isAlive(pid) && !existsSync(dirname(String(folder))));
});

test("with a password, nobody gets in without it", async () => {
  const server = await started({ password: "s3cret/ü" });
  expect(await ask(server.connectionString, "SELECT 1")).toEqual([1]);
  const without = `postgres://postgres:wrong@127.0.0.1:${server.port}/postgres`;
  await expect(ask(without, "SELECT 1")).rejects.toThrow("password authentication failed");
});

test("only a durable one waits for the disk; settings win", async () => {
  const [fast, durable] = await Promise.all([
    started({ settings: { work_mem: "1MB" } }),
    started({ durable: true, settings: { fsync: "on" } }),
  ]);
  const sql = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('work_mem')";
  expect(await ask(fast.connectionString, sql)).toEqual(["off", "on", "1MB"]);
  expect(await ask(durable.connectionString, sql)).toEqual(["on", "on", "4MB"]);
});

test("a setting that does not exist is named in the error", async () => {
  await expect(startPostgres({ settings: { no_such_thing: "1" } })).rejects.toThrow("no_such_thing");
});

test("tests use the PostgreSQL that DATABASE_URL names, or one of their own", async () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv("DATABASE_URL", "postgresql://someone@example.com/tests");
  expect((await postgresForTests()).connectionString).toBe("postgresql://someone@example.com/tests");
  vi.stubEnv("DATABASE_URL", "sqlite:///./uploads.db");
  const { connectionString, stop } = await postgresForTests();
  onTestFinished(stop);
  expect(await ask(connectionString, "SELECT 1")).toEqual([1]);
});

test("where no PostgreSQL is installed for the platform, the error says what to do", () => {
  const { arch } = process;
  onTestFinished(() => void Object.defineProperty(process, "arch", { value: arch }));
  Object.defineProperty(process, "arch", { value: "vax" });
  expect(() => prepareBinaries("unused", undefined)).toThrow(/vax.*Set DATABASE_URL/);
});
