import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startPostgres } from "@bucketline/postgres-sandbox";
import type { SandboxOptions } from "@bucketline/s3-sandbox";
import { inspectLedger } from "@bucketline/store-postgres";
import { expect, onTestFinished, test } from "vitest";
import { openScratch } from "../../src/doctor/scratch-ledger.ts";
import { Bed, linesOf } from "../support/program.ts";
import { leftIn } from "./examination.ts";

async function open(options: SandboxOptions = {}): Promise<Bed> {
  const bed = await Bed.open(options);
  onTestFinished(() => bed.close());
  return bed;
}

const TO = "s3://my-bucket";

test("a sound machine: exit code 0, a profile, and nothing else stays", async () => {
  const bed = await open();
  const { code, stdout, stderr } = await bed.run(["doctor", TO]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^ok +store +\d\d cases hold in a scratch ledger beside it\.$/m);
  expect(stdout).toContain("checksums crc32, conditional writes yes");
  expect(stdout).not.toContain(bed.sandbox.credentials.secretAccessKey);
  expect(leftIn(bed.sandbox)).toEqual([]);
  expect(await readdir(bed.folder)).toEqual([".local"]);
  expect(await readdir(join(bed.folder, ".local/state/bucketline"))).toEqual(["providers.json"]);
});

test("the profile makes a store without checksums usable", async () => {
  const bed = await open({ dialect: { checksums: "refused", conditionalWrites: "refused" } });
  await bed.write("photos/large.bin", randomBytes(6 * 1024 * 1024));
  await bed.write("photos/small.txt", "small");
  const sync = ["sync", "photos", TO, "--retry-attempts", "1"];
  expect((await bed.run(sync)).code).toBe(1);
  expect((await bed.run(["doctor", TO])).code).toBe(0);
  expect((await bed.run(["sync", "photos", `${TO}/again`])).code).toBe(0);
  expect(bed.sandbox.objects("my-bucket").map(({ key, size }) => `${key} ${size}`)).toEqual([
    "again/large.bin 6291456",
    "again/small.txt 5",
  ]);
});

test("docs/doctor.md has every check", async () => {
  const bed = await open();
  const lines = await bed.json(["doctor", TO]);
  const names = new Set(lines.flatMap(({ check }) => (check === undefined ? [] : [check])));
  const text = await readFile(new URL("../../../../docs/doctor.md", import.meta.url), "utf8");
  expect(new Set(Array.from(text.matchAll(/^\| `([a-z ]+)` \|/gm), ([, name]) => name))).toEqual(names);
});

test("JSON: each finding on a line, the sums on the last", async () => {
  const bed = await open();
  const { code, stdout } = await bed.run(["doctor", "--json", "--quick", TO]);
  expect(code).toBe(0);
  const lines = linesOf(stdout);
  expect(lines.slice(0, -1).filter(({ check, level, facts }) => !check || !level || !facts)).toEqual([]);
  expect(lines.at(-1)).toMatchObject({ summary: { problems: 0 } });
  expect(lines.find(({ check }) => check === "store")).toMatchObject({ level: "skipped", remedy: null });
  expect(bed.sandbox.requests.map(({ method }) => method)).toEqual(["HEAD"]);
  expect(await readdir(bed.folder)).toEqual([]);
});

test("exit codes: 1 for problems, 2 for what cannot be asked, 3 for what is out of reach", async () => {
  const bed = await open();
  const codeOf = async (args: string[], environment: Record<string, string> = {}) =>
    (await bed.run(["doctor", "--quick", ...args], environment)).code;
  expect(await codeOf([], { CHUNK_SIZE: "1GiB" })).toBe(1);
  expect(await codeOf(["my-bucket"])).toBe(2);
  expect(await codeOf([], { CHUNK_SIZE: "many" })).toBe(2);
  expect(await codeOf([TO], { AWS_ENDPOINT_URL: "store.example.net" })).toBe(2);
  expect(await codeOf(["s3://other-bucket"])).toBe(3);
  await writeFile(join(bed.folder, "broken.db"), "this is no database, but it is long enough to be one".repeat(100));
  expect(await codeOf([], { DATABASE_URL: "sqlite:broken.db" })).toBe(3);
});

test.each([
  ["sqlite", "sqlite:ledger/uploads.db"],
  ["json", "json:ledger/state.json"],
])("%s: the ledger is looked at and not changed, and scratch ledgers are gone", async (_, url) => {
  const bed = await open();
  const environment = { DATABASE_URL: url };
  await bed.write("photos/sub/a.txt", "a");
  await bed.json(["register", "photos", TO, "--id", "photos"], environment);
  const before = await readdir(join(bed.folder, "ledger"));
  const lines = await bed.json(["doctor"], environment);
  expect(lines.find(({ check }) => check === "ledger")).toMatchObject({
    level: "ok",
    facts: { exists: true, uploads: 1 },
  });
  expect(lines.find(({ check }) => check === "store")).toMatchObject({ level: "ok" });
  expect(lines.find(({ check }) => check === "folders")).toMatchObject({ level: "ok", facts: { folders: 1 } });
  if (process.platform === "linux")
    expect(lines.find(({ check }) => check === "file events")).toMatchObject({ facts: { uploads: 1, folders: 2 } });
  expect(await readdir(join(bed.folder, "ledger"))).toEqual(before);
  expect(await bed.json(["ls"], environment)).toHaveLength(1);
});

test("a folder of an upload that is gone is a problem", async () => {
  const bed = await open();
  await bed.write("photos/a.txt", "a");
  await bed.json(["register", "photos", TO, "--id", "photos"]);
  await rename(join(bed.folder, "photos"), join(bed.folder, "elsewhere"));
  const { code, stdout } = await bed.run(["doctor", "--quick", "--quiet"]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^problem +folders +The folder of an upload .*photos cannot be read: ENOENT/);
});

test("PostgreSQL: cases run in schemas of their own, which are dropped", async () => {
  const bed = await open();
  const server = await startPostgres({ password: "hunter2-and-more" });
  onTestFinished(() => server.stop());
  const environment = { DATABASE_URL: server.connectionString };
  const fresh = await bed.run(["doctor", "--json"], environment);
  expect(fresh.code).toBe(0);
  const found = (stdout: string, name: string) => linesOf(stdout).find(({ check }) => check === name);
  expect(found(fresh.stdout, "ledger")).toMatchObject({ level: "ok", facts: { exists: false, kind: "postgres" } });
  expect(found(fresh.stdout, "store")).toMatchObject({ level: "ok" });
  await bed.write("photos/a.txt", "a");
  await bed.json(["register", "photos", TO], environment);
  const used = await bed.run(["doctor", "--json", "--quick"], environment);
  expect(found(used.stdout, "ledger")).toMatchObject({ level: "ok", facts: { exists: true, uploads: 1 } });
  expect(JSON.stringify([fresh, used])).not.toContain("hunter2");
  await expectSchemasDropped(server.connectionString);
  await server.stop();
  expect((await bed.run(["doctor", "--quick"], environment)).code).toBe(3);
}, 120_000);

async function expectSchemasDropped(url: string): Promise<void> {
  const scratch = await openScratch({ kind: "postgres", url });
  const schemas: string[] = [];
  for (const isClosed of [true, false]) {
    const harness = await scratch.open();
    await harness.store.close();
    // What a closed store says has the name of its schema.
    const refusal = await harness.store.getUpload("u").catch((error: unknown) => String(error));
    schemas.push(/schema (bucketline_doctor_\w+)/.exec(String(refusal))?.[1] ?? "");
    if (isClosed) await harness.close();
  }
  const versions = async () => {
    const found = schemas.map((schema) => inspectLedger({ connectionString: url, schema }));
    return (await Promise.all(found)).map(({ version }) => version > 0);
  };
  expect(await versions()).toEqual([false, true]);
  await scratch.remove();
  expect(await versions()).toEqual([false, false]);
}

test("Ctrl-C: nothing stays, neither in the bucket nor beside the ledger", async () => {
  const bed = await open();
  let interrupt = () => {};
  bed.sandbox.fault({
    operation: "UploadPart",
    partNumber: 2,
    action: () => {
      interrupt();
      return { type: "delay", ms: 100 };
    },
  });
  const running = bed.start(["doctor", TO]);
  interrupt = () => void running.process.kill("SIGINT");
  const { code, stderr } = await running.ended;
  expect({ code, stderr }).toEqual({ code: 130, stderr: expect.stringContaining("Stopped by Ctrl-C.") });
  expect(leftIn(bed.sandbox)).toEqual([]);
  expect(await readdir(bed.folder)).toEqual([]);
});
