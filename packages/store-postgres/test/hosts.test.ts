import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type UploadEvent, UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { postgresForTests } from "@bucketline/postgres-sandbox";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { Client } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { PostgresStateStore } from "../src/index.ts";
import { type RowState, untrueWrites, type Write } from "./hosts/audit.ts";
import { campaign } from "./hosts/campaign.ts";
import { KINDS } from "./hosts/sendings.ts";

const KIB = 1024;
const TIMEOUT_MS = 180_000;

// Windows has neither SIGKILL nor SIGSTOP.
describe.runIf(process.platform !== "win32")("several hosts on one PostgreSQL", () => {
  test("share an upload; killed, frozen and cut off, they lose nothing and do nothing twice", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const spec = { smallFiles: 400, bigFiles: 16, bigBytes: 512 * KIB };
    const outcome = await campaign({ hosts: 3, kills: 4, seed: 20_261_122, ...spec });
    const { lost, untrue, twice, orphans } = outcome;
    expect({ lost, untrue, twice, orphans }, outcome.story).toEqual({ lost: [], untrue: [], twice: [], orphans: [] });

    expect(outcome.files).toBe(416);
    expect(new Set(outcome.blows.map(({ kind }) => kind))).toEqual(new Set(KINDS));
    expect([...outcome.sendings.byHost.keys()].sort()).toEqual(["h1", "h2", "h3"]);
    // Whoever was struck had files in hand.
    expect(outcome.rescues).toBeGreaterThan(0);
    expect(outcome.sendings.takenOver).toBeGreaterThan(0);
  });
});

/** Far beyond the timeout of a test: what comes sooner was told, and not found by looking every now and then. */
const LEASE_MS = 600_000;
const BUCKET = "shared";

async function place(files: number) {
  const folder = mkdtempSync(join(tmpdir(), "bucketline-hosts-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "source"));
  for (let n = 0; n < files; n++) writeFileSync(join(folder, "source", `${n}.txt`), `file ${n}`);
  const server = await postgresForTests();
  onTestFinished(server.stop);
  const schema = `hosts_${process.pid}_${Date.now()}`;
  onTestFinished(async () => {
    const client = new Client({ connectionString: server.connectionString });
    await client.connect();
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await client.end();
  });
  const sandbox = await startSandbox({ buckets: [BUCKET] });
  onTestFinished(() => sandbox.close());
  const host = async (name: string) => {
    const service = new UploadService({
      state: new PostgresStateStore({ connectionString: server.connectionString, schema }),
      objects: new S3ObjectStore(sandbox.clientConfig),
      host: name,
      lease: LEASE_MS,
      requestTimeout: LEASE_MS,
      monitorInterval: LEASE_MS,
      progressInterval: 10,
    });
    onTestFinished(() => service.stop());
    await service.start();
    return service;
  };
  return { sourceFolder: join(folder, "source"), sandbox, host };
}

function changed(service: UploadService, state: UploadEvent["state"]): Promise<UploadEvent> {
  return new Promise((resolve) => {
    service.on("upload:changed", (event) => {
      if (event.state === state) resolve(event);
    });
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

function puts({ requests }: Sandbox) {
  return requests.filter(({ operation }) => operation === "PutObject");
}

test("a host that cancels an upload stops the transfers of another at once", async () => {
  const { sourceFolder, sandbox, host } = await place(20);
  sandbox.fault({ operation: "PutObject", times: Number.POSITIVE_INFINITY, action: { type: "silence" } });
  const sender = await host("h2");
  const { id } = await sender.register({ sourceFolder, bucket: BUCKET, mode: "once" });
  await until(() => puts(sandbox).length === 5);
  const canceller = await host("h1");
  expect(await canceller.files(id, { states: ["IN_PROGRESS"] })).not.toEqual([]);
  const told = changed(sender, "CANCELLED");

  await canceller.cancel(id);
  await told;
  // Nobody else gives back what is in the hands of a host that lives, and it does so when its requests have ended.
  while ((await canceller.files(id, { states: ["IN_PROGRESS"] })).length > 0) await sleep(10);
  expect(puts(sandbox)).toHaveLength(5);
  await expect(sender.finished(id)).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
});

test("an upload registered on one host begins at once on the host that it is bound to, and its progress is told back", async () => {
  const { sourceFolder, sandbox, host } = await place(20);
  const sender = await host("h2");
  const watcher = await host("h1");
  const seen: number[] = [];
  watcher.on("upload:progress", ({ filesUploaded }) => seen.push(filesUploaded));
  const sent: string[] = [];
  sender.on("file:uploaded", ({ path }) => sent.push(path));
  const told = changed(watcher, "COMPLETED");

  const { id } = await watcher.register({ sourceFolder, bucket: BUCKET, mode: "once", host: "h2" });
  await watcher.finished(id);
  await told;
  await until(() => seen.includes(20));
  expect(sent).toHaveLength(20);
  expect(puts(sandbox)).toHaveLength(20);
});

describe("the audit", () => {
  const free: RowState = { state: "PENDING", revision: 1, fence: 0, owner: null };
  const held: RowState = { state: "IN_PROGRESS", revision: 2, fence: 1, owner: "h1.1" };
  const done: RowState = { state: "UPLOADED", revision: 3, fence: 1, owner: null };
  const write = (before: RowState | null, after: RowState | null, writer = "h1.1"): Write => ({
    path: "a.txt",
    writer,
    at: 0,
    before,
    after,
  });
  const claimed = [write(null, free, "h3.1"), write(free, held)];

  test("lets an owner's writes pass, a rescue, and the heir's", () => {
    const rescued = { ...free, revision: 3, fence: 1 };
    const heirs = { ...held, revision: 4, fence: 2, owner: "h2.1" };
    expect(untrueWrites([...claimed, write(held, done)])).toEqual([]);
    expect(
      untrueWrites([
        ...claimed,
        write(held, rescued, "h3.1"),
        write(rescued, heirs, "h2.1"),
        write(heirs, { ...heirs, revision: 5 }, "h2.1"),
        write({ ...heirs, revision: 5 }, { ...done, revision: 6, fence: 2 }, "h2.1"),
      ]),
    ).toEqual([]);
  });

  test.each<[string, Write[]]>([
    ["a write to an UPLOADED row", [...claimed, write(held, done), write(done, { ...done, revision: 4 })]],
    ["another's result", [...claimed, write(held, done, "h2.1")]],
    ["a change of owners in flight", [...claimed, write(held, { ...held, revision: 3, owner: "h2.1" }, "h2.1")]],
    ["a claim for somebody else", [write(null, free), write(free, held, "h2.1")]],
    ["a claim with the old fence", [write(null, free), write(free, { ...held, fence: 0 })]],
    ["a fence that goes down", [...claimed, write(held, { ...free, revision: 3, fence: 0 })]],
    ["a revision that stays", [...claimed, write(held, { ...done, revision: 2 })]],
    ["a row written from nowhere", [write(null, free), write(held, done)]],
    ["a deleted row", [write(null, free), write(free, null)]],
  ])("reports %s", (_, writes) => {
    expect(untrueWrites(writes)).toHaveLength(1);
  });
});
