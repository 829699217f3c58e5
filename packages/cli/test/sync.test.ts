import { existsSync } from "node:fs";
import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { startSandbox } from "@bucketline/s3-sandbox";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bed, linesOf } from "./support/program.ts";
import { stored } from "./support/traffic.ts";

let bed: Bed;

beforeEach(async () => {
  bed = await Bed.open();
  await bed.write("photos/one.txt", "one");
  await bed.write("photos/deep/two.txt", "two");
});

afterEach(async () => await bed.close());

const TO = ["sync", "photos", "s3://my-bucket/2026"];

test("brings a folder below the prefix, says so, and the second time sends nothing", async () => {
  const first = await bed.run(TO);
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout).toContain("photos → s3://my-bucket/2026/");
  expect(first.stdout).toContain("100 %, 6 B of 6 B, 2 of 2 files");
  expect(first.stdout).toMatch(/Done\. 2 files uploaded, 6 B in \d/);
  expect(stored(bed.sandbox).sort()).toEqual(["2026/deep/two.txt", "2026/one.txt"]);
  const second = await bed.run(TO);
  expect(second.code).toBe(0);
  expect(second.stdout).toMatch(/Going on with photos-[0-9a-f]{10}: 2 of 2 files, 6 B in the bucket already\./);
  expect(second.stdout).toContain("Done. Nothing was new");
  expect(stored(bed.sandbox)).toHaveLength(2);
});

test("sends what is new and changed the next time, and keeps objects of files that are gone", async () => {
  await bed.run(TO);
  await bed.write("photos/one.txt", "one, longer");
  await bed.write("photos/three.txt", "three");
  await rm(join(bed.folder, "photos/deep/two.txt"));
  const { code, stdout } = await bed.run(TO);
  expect(code).toBe(0);
  expect(stdout).toContain("Done. 2 files uploaded, 16 B");
  expect(stdout).toContain("1 file gone from the folder, kept in the bucket");
  expect(stored(bed.sandbox).slice(2).sort()).toEqual(["2026/one.txt", "2026/three.txt"]);
});

test("deletes objects of files that are gone only when told to, and never beyond the limit", async () => {
  for (let n = 0; n < 12; n++) await bed.write(`photos/many/${n}.txt`, "x");
  const line = [...TO, "--on-source-delete", "delete"];
  await bed.run(line);
  await rm(join(bed.folder, "photos/many"), { recursive: true });
  const held = await bed.run(line);
  expect(held.code).toBe(1);
  expect(held.stdout).toContain("DELETE_REFUSED");
  expect(bed.sandbox.objects("my-bucket")).toHaveLength(14);
  const allowed = await bed.run([...line, "--allow-deletes"]);
  expect(allowed.code).toBe(0);
  expect(allowed.stdout).toContain("12 objects deleted");
  expect(bed.sandbox.objects("my-bucket")).toHaveLength(2);
});

test("goes on with the same upload from another folder", async () => {
  await bed.run([...TO, "--data-folder", join(bed.folder, "state")]);
  await mkdir(join(bed.folder, "photos/deep/x"), { recursive: true });
  const elsewhere = [join(bed.folder, "photos"), "s3://my-bucket/2026/", "--data-folder", join(bed.folder, "state")];
  const { stdout } = await bed.run(["sync", ...elsewhere]);
  expect(stdout).toContain("Nothing was new");
});

test("refuses to go on with other settings, and names them", async () => {
  await bed.run(TO);
  const { code, stderr } = await bed.run([...TO, "--exclude", "*.tmp", "--storage-class", "STANDARD_IA"]);
  expect(code).toBe(2);
  expect(stderr).toContain(
    'which has other settings: --exclude is [], asked for is ["*.tmp"]; --object is {}, asked for is {"storageClass":"STANDARD_IA"}.',
  );
  expect(stderr).toContain("--id NAME");
  expect((await bed.run([...TO, "--exclude", "*.tmp", "--id", "another"])).code).toBe(0);
});

test("another selection is refused with a command that takes it, and loses nothing", async () => {
  const line = [...TO, "--on-source-delete", "delete"];
  await bed.run(line);
  const narrow = [...line, "--pattern", "*.txt", "--min-size", "1"];
  const { code, stderr } = await bed.run(narrow);
  expect(code).toBe(2);
  expect(stderr).toContain('--pattern is ["**"], asked for is ["*.txt"]; --min-size is null, asked for is 1.');
  const [, id = ""] = /--id (photos-[0-9a-f]{10}-[0-9a-f]{6}),/.exec(stderr) ?? [];
  expect((await bed.run([...narrow, "--id", id])).stdout).toContain("Done. 1 file uploaded");
  expect((await bed.run([...narrow, "--id", id])).stdout).toContain("Nothing was new");
  // What only the first upload selects is neither deleted nor forgotten by it.
  const keys = bed.sandbox.objects("my-bucket").map(({ key }) => key);
  expect(keys.sort()).toEqual(["2026/deep/two.txt", "2026/one.txt"]);
  expect((await bed.run(line)).stdout).toContain("Nothing was new");
  expect((await bed.run([...line, "--pattern", "one.txt"])).stderr).not.toContain(id);
});

test("refuses an upload of one's own name at another endpoint, unless that is the same store", async () => {
  const line = [...TO, "--id", "p"];
  await bed.run(line);
  const other = await startSandbox({ buckets: ["my-bucket"] });
  try {
    const there = { AWS_ENDPOINT_URL: other.endpoint };
    for (const args of [line, ["verify", "p"], ["cancel", "p"], ["scan", "p"]]) {
      const { code, stderr } = await bed.run(args, there);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("Nothing was done.") });
      expect(stderr).toContain(bed.sandbox.endpoint);
      expect(stderr).toContain(other.endpoint);
    }
    expect(other.objects("my-bucket")).toHaveLength(0);
    const moved = await bed.run([...line, "--store-location", bed.sandbox.endpoint], there);
    expect(moved.stdout).toContain("Nothing was new");
    // Without a name of its own it is another upload.
    expect((await bed.run(TO, there)).code).toBe(0);
    expect(other.objects("my-bucket")).toHaveLength(2);
  } finally {
    await other.close();
  }
});

test("works on nothing else in the ledger", async () => {
  await bed.write("other/file.txt", "other");
  await bed.run(["register", "other", "s3://my-bucket/other", "--id", "other"]);
  expect((await bed.run(TO)).code).toBe(0);
  expect(stored(bed.sandbox).sort()).toEqual(["2026/deep/two.txt", "2026/one.txt"]);
  expect(await bed.json(["status", "other"])).toMatchObject([{ state: "PENDING", last_scan: null }]);
});

test("does not send its own ledger when that lies in the folder", async () => {
  const { code } = await bed.run([...TO, "--database-url", "sqlite:photos/state.db"]);
  expect(code).toBe(0);
  expect(stored(bed.sandbox).sort()).toEqual(["2026/deep/two.txt", "2026/one.txt"]);
});

test("takes patterns, a key template and settings of objects", async () => {
  await bed.write("photos/a.jpg", "jpeg");
  await bed.write("photos/deep/b.jpg", "jpeg");
  const options = [
    "-p",
    "**/*.jpg",
    "-x",
    "deep/**",
    "--key-template",
    "{yyyy}/{name}{ext}",
    "--tag",
    "a=b",
    "--cache-control",
    "no-store",
  ];
  expect((await bed.run([...TO, ...options])).code).toBe(0);
  const objects = bed.sandbox.objects("my-bucket");
  expect(objects.map(({ key }) => key)).toEqual([`2026/${new Date().getUTCFullYear()}/a.jpg`]);
});

describe("a dry run", () => {
  test("says what would be done and makes not even a ledger", async () => {
    const { code, stdout } = await bed.run([...TO, "--dry-run"]);
    expect(code).toBe(0);
    expect(stdout).toContain("upload          3 B  deep/two.txt");
    expect(stdout).toContain("2 files to upload, 6 B");
    expect(stdout).toContain("Nothing was done.");
    expect(existsSync(join(bed.folder, ".local/state/bucketline/uploads.db"))).toBe(false);
    expect(bed.sandbox.requests).toHaveLength(0);
  });

  test("knows what an earlier run has sent", async () => {
    await bed.run(TO);
    await bed.write("photos/one.txt", "one, longer");
    const requests = bed.sandbox.requests.length;
    const lines = await bed.json([...TO, "--dry-run"]);
    expect(lines).toMatchObject([
      { action: "unchanged", path: "deep/two.txt" },
      { action: "replace", path: "one.txt", not_before: null },
      { event: "summary", actions: { replace: { files: 1, bytes: 11 }, unchanged: { files: 1 } }, complete: true },
    ]);
    expect(bed.sandbox.requests).toHaveLength(requests);
  });
});

describe("output", () => {
  test("--json is one object per line, events and a summary, and nothing else", async () => {
    const { code, stdout, stderr } = await bed.run([...TO, "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = linesOf(stdout);
    expect(lines.map(({ event }) => event)).toEqual(
      expect.arrayContaining(["upload:scanned", "file:started", "file:uploaded"]),
    );
    expect(lines.find(({ event }) => event === "file:uploaded")).toMatchObject({
      upload_id: expect.any(String),
      size: 3,
      at: expect.any(String),
    });
    expect(lines.at(-1)).toMatchObject({
      event: "summary",
      exit_code: 0,
      uploaded_files: 2,
      uploaded_bytes: 6,
      interrupted: false,
      failed: [],
      upload: { state: "COMPLETED", total_files: 2 },
    });
    expect(Object.keys(lines.at(-1) ?? {}).filter((name) => /[A-Z]/.test(name))).toEqual([]);
  });

  test("--json --quiet is the summary alone", async () => {
    const { stdout } = await bed.run([...TO, "--json", "--quiet"]);
    expect(linesOf(stdout)).toMatchObject([{ event: "summary", uploaded_files: 2 }]);
  });

  test("--quiet says nothing when all went well", async () => {
    expect(await bed.run([...TO, "--quiet"])).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("names of files cannot command a terminal", async () => {
    await symlink("/nowhere", join(bed.folder, "photos/\u001b[2Jlink"));
    await bed.write("photos/\u001b]0;title\u0007.txt", "x");
    bed.sandbox.fault({
      operation: "PutObject",
      key: "2026/\u001b]0;title\u0007.txt",
      action: { type: "respond", code: "InvalidRequest", status: 400 },
    });
    const { code, stdout, stderr } = await bed.run(TO);
    expect(code).toBe(1);
    expect(stdout).toContain("\\x1b]0;title\\x07.txt");
    expect(stdout + stderr).not.toContain("\u001b");
  });
});

describe("when something is wrong", () => {
  test("files that fail are named with the reason and what to do; the others are sent; exit code 1", async () => {
    bed.sandbox.fault({
      operation: "PutObject",
      key: "2026/one.txt",
      action: { type: "respond", code: "InvalidRequest", status: 400 },
    });
    const { code, stdout } = await bed.run(TO);
    expect(code).toBe(1);
    expect(stdout).toContain("failed   one.txt: OBJECT_REJECTED: ");
    expect(stdout).toContain("Not everything is in the bucket. 1 file uploaded");
    expect(stdout).toContain("1 file failed: OBJECT_REJECTED");
    expect(stdout).toContain("What to do: The store refused the request for good.");
    expect(stdout).toMatch(/All of them: bucketline files photos-[0-9a-f]{10} --state failed/);
    // The same command tries it again.
    expect((await bed.run(TO)).code).toBe(0);
  });

  test("--quiet tells of failures on standard error", async () => {
    bed.sandbox.fault({
      operation: "PutObject",
      key: "2026/one.txt",
      action: { type: "respond", code: "InvalidRequest", status: 400 },
    });
    const { code, stdout, stderr } = await bed.run([...TO, "--quiet"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("1 file failed: OBJECT_REJECTED");
  });

  test("an endpoint that does not answer: exit code 3, before anything is tried for long", async () => {
    const { code, stderr } = await bed.run(TO, { AWS_ENDPOINT_URL: "http://127.0.0.1:1" });
    expect(code).toBe(3);
    expect(stderr).toContain("ECONNREFUSED");
    expect(stderr).toContain("Nothing was sent.");
  });

  test("a bucket that does not exist: exit code 3", async () => {
    const { code, stderr } = await bed.run(["sync", "photos", "s3://no-such-bucket"]);
    expect(code).toBe(3);
    expect(stderr).toContain("no-such-bucket");
  });

  test("a folder that does not exist: exit code 2, also when it was there before", async () => {
    expect((await bed.run(["sync", "nowhere", "s3://my-bucket"])).code).toBe(2);
    await bed.run(TO);
    await rename(join(bed.folder, "photos"), join(bed.folder, "away"));
    const { code, stdout } = await bed.run(TO);
    expect(code).toBe(2);
    expect(stdout).toContain("SOURCE_NOT_FOUND");
    expect(bed.sandbox.objects("my-bucket")).toHaveLength(2);
  });

  test("a ledger that is none: exit code 3", async () => {
    await bed.write("broken.db", "this is no ledger".repeat(100));
    const { code, stderr } = await bed.run([...TO, "--database-url", "sqlite:broken.db"]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/error: .+/);
  });

  test("paused and cancelled uploads say what to do", async () => {
    await bed.run([...TO, "--id", "p"]);
    await bed.run(["pause", "p"]);
    const paused = await bed.run([...TO, "--id", "p"]);
    expect(paused).toMatchObject({ code: 2, stderr: expect.stringContaining("bucketline resume p") });
    await bed.run(["cancel", "p"]);
    const cancelled = await bed.run([...TO, "--id", "p"]);
    expect(cancelled).toMatchObject({ code: 2, stderr: expect.stringContaining("--id") });
  });
});

test("--verify looks into the bucket at the end", async () => {
  await bed.run(TO);
  const good = await bed.run([...TO, "--verify"]);
  expect(good.stdout).toContain("Verified: 2 objects looked for, every one as it was sent.");
  bed.sandbox.fault({
    operation: "ListObjectsV2",
    action: { type: "respond", code: "AccessDenied", status: 403 },
    times: 100,
  });
  expect((await bed.run([...TO, "--verify"])).code).toBe(3);
});
