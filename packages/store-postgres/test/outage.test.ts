import { inspect } from "node:util";
import { type Postgres, startPostgres } from "@bucketline/postgres-sandbox";
import { expect, onTestFinished, test } from "vitest";
import { PostgresStateStore } from "../src/index.ts";
import { aFile, anUpload, claim, fill, sql } from "./database.ts";

const SECRET = "s3cr3t/ !$1";

async function server(): Promise<Postgres> {
  const started = await startPostgres({ password: SECRET });
  onTestFinished(() => started.stop());
  return started;
}

function storeAt(connectionString: string, options = {}): PostgresStateStore {
  const store = new PostgresStateStore({ connectionString, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** Everything about an error that may end up in a log. */
async function said(failing: Promise<unknown>): Promise<string> {
  const error = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeDefined();
  return inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error);
}

test("work goes on, exactly, through a crash of the server and a shutdown", { timeout: 120_000 }, async () => {
  const postgres = await server();
  const [writer, worker] = [storeAt(postgres.connectionString), storeAt(postgres.connectionString)];
  await writer.open();
  await worker.open();
  await fill(writer, 200);
  let isOver = false;
  let added = 0;
  const writing = (async () => {
    while (!isOver) {
      const changes = Array.from({ length: 5 }, () => ({ before: null, after: aFile(`new ${added++}`) }));
      expect(await writer.commit(changes)).toEqual(changes.map(() => "applied"));
    }
  })();
  const taken: string[] = [];
  const working = (async () => {
    while (!isOver) {
      for (const file of await claim(worker, "o", 3)) {
        taken.push(file.path);
        const after = { ...file, revision: file.revision + 1, state: "UPLOADED" } as const;
        expect(await worker.commit([{ before: file, after }])).toEqual(["applied"]);
      }
    }
  })();
  try {
    for (const end of [() => postgres.kill(), async () => {}]) {
      const before = taken.length;
      await expect.poll(() => taken.length, { timeout: 30_000 }).toBeGreaterThan(before + 5);
      await end();
      await postgres.restart();
    }
    const before = taken.length;
    await expect.poll(() => taken.length, { timeout: 30_000 }).toBeGreaterThan(before + 5);
  } finally {
    isOver = true;
  }
  await Promise.all([writing, working]);
  expect(new Set(taken).size, "no file was claimed twice").toBe(taken.length);
  const counters = await writer.counters("u");
  expect(counters.UPLOADED.files).toBe(taken.length);
  expect(counters.PENDING.files).toBe(200 + added - taken.length);
  expect(await writer.listFiles("u", { limit: 100_000 })).toHaveLength(200 + added);
});

test("a server that stays away is STATE_UNAVAILABLE, and found again when it is back", {
  timeout: 60_000,
}, async () => {
  const postgres = await server();
  const store = storeAt(postgres.connectionString, { reconnectTimeoutMs: 500 });
  await store.open();
  await fill(store, 1);
  await postgres.kill();
  const unavailable = { code: "STATE_UNAVAILABLE", name: "StateStoreError" };
  await expect(store.getFile("u", "00000")).rejects.toMatchObject(unavailable);
  await expect(store.commit([{ before: null, after: aFile("a") }])).rejects.toMatchObject(unavailable);
  await expect(storeAt(postgres.connectionString, { reconnectTimeoutMs: 100 }).open()).rejects.toMatchObject(
    unavailable,
  );
  expect(await said(store.counters("u"))).not.toContain("s3cr3t");
  await postgres.restart();
  expect(await store.commit([{ before: null, after: aFile("b") }])).toEqual(["applied"]);
  expect((await store.counters("u")).PENDING.files).toBe(2);
});

test("closing does not wait for a server that is away", { timeout: 60_000 }, async () => {
  const postgres = await server();
  const store = storeAt(postgres.connectionString, { reconnectTimeoutMs: 600_000 });
  await store.open();
  await postgres.kill();
  const waiting = store.getUpload("u");
  const refused = expect(waiting).rejects.toMatchObject({ code: "STATE_CLOSED" });
  await store.close();
  await refused;
  await expect(store.getUpload("u")).rejects.toMatchObject({ code: "STATE_CLOSED" });
  const opening = storeAt(postgres.connectionString, { reconnectTimeoutMs: 600_000 });
  const open = expect(opening.open()).rejects.toMatchObject({ code: "STATE_CLOSED" });
  await opening.close();
  await open;
});

test("connections that the server ends while they idle are replaced", { timeout: 60_000 }, async () => {
  const postgres = await server();
  const store = storeAt(postgres.connectionString);
  await store.open();
  await store.insertUpload(anUpload("u"));
  const ended = await sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bucketline'",
    [],
    postgres.connectionString,
  );
  expect(ended.length).toBeGreaterThan(0);
  expect(await store.commit([{ before: null, after: aFile("a") }])).toEqual(["applied"]);
});

test("wrong credentials and databases are refused at once, and no message holds the password", {
  timeout: 60_000,
}, async () => {
  const postgres = await server();
  const url = new URL(postgres.connectionString);
  const refusals: [(url: URL) => void, string][] = [
    [
      (at) => {
        at.password = "wr0ng/ x";
      },
      "wr0ng",
    ],
    [
      (at) => {
        at.username = "nobody";
      },
      "s3cr3t",
    ],
    [
      (at) => {
        at.pathname = "/nothing";
      },
      "s3cr3t",
    ],
    [
      (at) => {
        at.searchParams.set("sslmode", "require");
      },
      "s3cr3t",
    ],
  ];
  for (const [change, secret] of refusals) {
    const at = new URL(url);
    change(at);
    const store = storeAt(at.href, { reconnectTimeoutMs: 600_000 });
    await expect(store.open(), at.href).rejects.toMatchObject({ code: "STATE_NOT_WRITABLE", name: "StateStoreError" });
    expect(await said(store.open())).not.toContain(secret);
    expect(inspect(store, { depth: 10 })).not.toContain(secret);
  }
});
