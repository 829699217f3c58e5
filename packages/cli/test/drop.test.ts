import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Bed, linesOf } from "./support/program.ts";
import { isQuiet, stored, until } from "./support/traffic.ts";

let bed: Bed;

const PIPELINES = `pipelines:
  sealed:
    - extensions: { deny: [exe] }
    - gzip: { level: 9, keySuffix: .gz }
    - encrypt: { keys: [{ id: k1, keyFile: keys/k1.key }], keySuffix: .enc }
  packed: [gzip]
`;

beforeEach(async () => {
  bed = await Bed.open();
  await bed.write("bucketline.yaml", PIPELINES);
  await bed.write("keys/k1.key", randomBytes(32));
});

afterEach(async () => await bed.close());

const DROP = ["drop", "scans", "s3://my-bucket/in", "--pipeline", "sealed", "--id", "scans"];

/** The files of one of the four folders. */
async function lying(name: string): Promise<string[]> {
  const entries = await readdir(join(bed.folder, "scans", name), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name: file }) => file);
}

test("once: what is accepted is encrypted, sent and in done/, what is refused is in failed/ with the step's reason", async () => {
  const report = "confidential ".repeat(1_000);
  await bed.write("scans/incoming/a/report.txt", report);
  await bed.write("scans/incoming/setup.exe", "MZ");
  const { code, stdout } = await bed.run([...DROP, "--once"]);
  expect(code).toBe(1);
  expect(stdout).toContain("taken    setup.exe");
  expect(stdout).toContain("done     a/report.txt");
  expect(stdout).toMatch(/failed {3}setup\.exe: FILE_REJECTED: .*extensions/);
  expect(stdout).toContain("2 files taken in, 1 moved to done/, 1 to failed/.");
  expect(await lying("done")).toEqual(["report.txt"]);
  expect(await lying("failed")).toEqual(["setup.exe"]);
  expect([...(await lying("incoming")), ...(await lying("working"))]).toEqual([]);
  expect(stored(bed.sandbox)).toEqual(["in/a/report.txt.gz.enc"]);

  // What lies in failed/ has been told; the next run has nothing to complain of.
  const again = await bed.run([...DROP, "--once"]);
  expect({ code: again.code, stdout: again.stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("Done."),
  });
  expect(stored(bed.sandbox)).toHaveLength(1);

  const body = (await bed.sandbox.object("my-bucket", "in/a/report.txt.gz.enc"))?.body ?? Buffer.alloc(0);
  await bed.write("report.enc", body);
  expect((await bed.run(["decrypt", "report.enc", "report.gz", "--key-file", "keys/k1.key"])).code).toBe(0);
  const { gunzipSync } = await import("node:zlib");
  expect(gunzipSync(await readFile(join(bed.folder, "report.gz"))).toString()).toBe(report);

  const [file] = await bed.json(["files", "scans", "a/report.txt"]);
  const timeline = (file?.timeline ?? []) as { step: { step: string; outcome: string } | null }[];
  expect(timeline.flatMap(({ step }) => (step === null ? [] : [`${step.step} ${step.outcome}`]))).toEqual([
    "extensions passed",
    "gzip transformed",
    "encrypt transformed",
  ]);
  const shown = await bed.run(["files", "scans", "setup.exe"]);
  expect(shown.stdout).toMatch(/step +extensions · rejected/);
  const status = await bed.run(["status", "scans"]);
  expect(status.stdout).toMatch(/pipeline +sealed\n/);
  expect(status.stdout).toMatch(/afterwards +drop folder; done\/ is kept for ever\n/);
});

test("--json tells what was taken in, done and refused, and ends with a summary", async () => {
  await bed.write("scans/incoming/a.txt", "a");
  await bed.write("scans/incoming/b.exe", "b");
  const { code, stdout } = await bed.run([...DROP, "--once", "--json"]);
  const lines = linesOf(stdout);
  const events = lines.map(({ event, path }) => `${String(event)} ${String(path)}`);
  expect(code).toBe(1);
  expect(events).toEqual(expect.arrayContaining(["file:claimed a.txt", "file:disposed a.txt", "step:finished a.txt"]));
  expect(lines.at(-1)).toMatchObject({
    event: "summary",
    exit_code: 1,
    upload_id: "scans",
    claimed_files: 2,
    done_files: 1,
    failed_files: 1,
    interrupted: false,
    failed: [{ code: "FILE_REJECTED", files: 1, examples: [{ path: "b.exe" }] }],
  });
});

test("follows the folder until Ctrl-C, and leaves it to nobody else", async () => {
  await mkdir(join(bed.folder, "scans"));
  const quick = ["--stability-threshold", "0", "--monitor-interval", "1s", "--retention", "30d"];
  const running = bed.start([...DROP, ...quick]);
  let output = "";
  running.process.stdout.on("data", (text: string) => {
    output += text;
  });
  await until(() => output.includes("Taking files as they come."));
  const late = await bed.write("late.txt", "late");
  await rename(late, join(bed.folder, "scans/incoming/late.txt"));
  await until(() => output.includes("done     late.txt"));
  running.process.kill("SIGINT");
  const { code, stdout } = await running.ended;
  expect(code).toBe(130);
  expect(stdout).toContain("1 file taken in, 1 moved to done/, 0 to failed/.");
  expect(await bed.json(["status", "scans"])).toMatchObject([{ settings: { schedule: "manual" } }]);
});

test("after SIGKILL in the middle the same command goes on, and every file is in one place, whole, and sent once", async () => {
  const large = randomBytes(16 * 1024 * 1024);
  await bed.write("scans/incoming/large.bin", large);
  for (let n = 0; n < 5; n++) await bed.write(`scans/incoming/small-${n}.txt`, `small ${n}`);
  bed.sandbox.fault({ operation: "UploadPart", times: 1_000, action: { type: "delay", ms: 200 } });
  const killed = bed.start([...DROP, "--once", "--part-concurrency", "1"]);
  await until(() => stored(bed.sandbox).includes("in/large.bin.gz.enc#2"));
  killed.process.kill("SIGKILL");
  await killed.ended;
  await until(() => isQuiet(bed.sandbox));
  expect(await lying("working")).toContain("large.bin");
  const { code, stdout } = await bed.run([...DROP, "--once"]);
  expect({ code, stdout }).toMatchObject({ code: 0 });
  const sent = stored(bed.sandbox);
  expect(sent.filter((one, index) => sent.indexOf(one) !== index)).toEqual([]);
  expect((await lying("done")).sort()).toEqual(["large.bin", ...[0, 1, 2, 3, 4].map((n) => `small-${n}.txt`)]);
  expect([...(await lying("incoming")), ...(await lying("working")), ...(await lying("failed"))]).toEqual([]);
  // Nothing is left of the spool.
  const spool = await readdir(join(bed.folder, ".local/state/bucketline/spool"), { recursive: true });
  expect(spool.filter((name) => /\.(spool|part)$/.test(name))).toEqual([]);
  const body = (await bed.sandbox.object("my-bucket", "in/large.bin.gz.enc"))?.body ?? Buffer.alloc(0);
  await bed.write("large.enc", body);
  expect((await bed.run(["decrypt", "large.enc", "large.gz"])).code).toBe(0);
  const { gunzipSync } = await import("node:zlib");
  const hash = (content: Buffer) => createHash("sha256").update(content).digest("hex");
  expect(hash(gunzipSync(await readFile(join(bed.folder, "large.gz"))))).toBe(hash(large));
});

test.each([
  [["drop", "nowhere", "s3://my-bucket", "--once"], "nowhere"],
  [["drop", "scans", "s3://my-bucket", "--once", "--pipeline", "sealde"], "There are: sealed, packed."],
  [["drop", "scans", "s3://my-bucket", "--once", "--symlinks", "follow"], "does not go with symlinks follow"],
  [["drop", "scans", "s3://my-bucket", "--retention", "long"], "It must be a duration"],
  [["sync", "scans", "s3://my-bucket", "--after-upload", "burn"], "It must be keep, delete, or move:"],
  [["sync", "scans", "s3://my-bucket", "--after-upload", "move:scans/sent"], "must not lie inside the source folder"],
  [["sync", "scans", "s3://my-bucket", "--after-upload", "delete", "--on-source-delete", "delete"], "Use one of them"],
  [["register", "scans", "s3://my-bucket", "--pipeline", "nosuch"], "There are: sealed, packed."],
])("%j is a wrong usage", async (args, says) => {
  await mkdir(join(bed.folder, "scans"));
  const { code, stderr } = await bed.run(args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(says) });
  expect(stored(bed.sandbox)).toEqual([]);
});

test("sync sends through a pipeline, and moves what is sent where it is told", async () => {
  await bed.write("logs/a.log", "line\n".repeat(1_000));
  await mkdir(join(bed.folder, "sent"));
  const line = ["sync", "logs", "s3://my-bucket", "--pipeline", "packed", "--after-upload", "move:sent"];
  expect((await bed.run(line)).code).toBe(0);
  expect(await readdir(join(bed.folder, "logs"))).toEqual([]);
  expect(await readdir(join(bed.folder, "sent"))).toEqual(["a.log"]);
  expect((await bed.sandbox.object("my-bucket", "a.log"))?.body.length).toBeLessThan(1_000);
  const other = await bed.run(["sync", "logs", "s3://my-bucket"]);
  expect({ code: other.code, stderr: other.stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(
      /--after-upload is \{"moveTo":".*"\}, asked for is "keep"; --pipeline is "packed", asked for is null\./,
    ),
  });
  await writeFile(join(bed.folder, "logs/b.log"), "b");
  expect((await bed.run(line)).code).toBe(0);
  expect((await readdir(join(bed.folder, "sent"))).sort()).toEqual(["a.log", "b.log"]);
});
