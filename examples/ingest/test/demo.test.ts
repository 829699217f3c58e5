import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { expect, onTestFinished, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

const { PATH = "" } = process.env;
const env = { PATH, TMPDIR: tmpdir() };

function run(more: Record<string, string> = {}) {
  return promisify(execFile)(process.execPath, [...FROM_SOURCES, MAIN], { env: { ...env, ...more } });
}

function ownBucket({ endpoint, region, credentials }: Sandbox, bucket: string) {
  return {
    INGEST_BUCKET: bucket,
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
}

test("without arguments: six files go their way, each step is told, and the bucket holds what was dropped", async () => {
  const { stdout, stderr } = await run();
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^Dashboard {4}http:\/\/127\.0\.0\.1:\d+\/#\/uploads\/drop-\w+$/m);
  expect(stdout).toMatch(/^Virus scan {3}off: nothing is scanned/m);
  expect(stdout).toContain("Before:\n  incoming/  dot.png  reports/january.csv\n  working/   -\n  done/      -\n");
  expect(stdout).toContain(
    [
      "After:",
      "  incoming/  -",
      "  working/   -",
      "  done/      dot.png  reports/january.csv  scans/contract.pdf",
      "  failed/    empty.txt  holiday.jpg  scans/archive.pdf",
      "",
      "3 of 3 objects in the bucket decrypt to the bytes that were dropped.",
      "",
    ].join("\n"),
  );
  const told = stdout
    .split("\n")
    .flatMap((line) => /^(\S+) +(taken in|\w+) +(\w+)/.exec(line)?.slice(1, 4).join(" ") ?? []);
  const of = (path: string) =>
    told.filter((line) => line.startsWith(`${path} `)).map((line) => line.slice(path.length + 1));
  expect(of("scans/contract.pdf")).toEqual([
    "taken in incoming",
    "extensions passed",
    "sizeLimit passed",
    "fileType passed",
    "sha256 transformed",
    "gzip transformed",
    "encrypt transformed",
    expect.stringMatching(/^uploaded drop/),
    "moved working",
  ]);
  expect(of("holiday.jpg").slice(3)).toEqual(["fileType rejected", "failed FILE_REJECTED", "moved working"]);
  expect(of("scans/archive.pdf").slice(2)).toEqual(["sizeLimit rejected", "failed FILE_REJECTED", "moved working"]);
  expect(of("empty.txt").slice(2)).toEqual(["sizeLimit rejected", "failed FILE_REJECTED", "moved working"]);
});

test("with a bucket of one's own the objects are there, and nothing is that can be read", async () => {
  const sandbox = await startSandbox({ buckets: ["mine"] });
  onTestFinished(() => sandbox.close());
  const { stdout, stderr } = await run(ownBucket(sandbox, "mine"));
  expect(stderr).toBe("");
  expect(stdout).toMatch(
    /^3 of 3 objects in the bucket decrypt to the bytes that were dropped\.\nThey stay below drop-/m,
  );
  const objects = sandbox.objects("mine");
  expect(objects.map(({ key }) => key.replace(/^drop-\w+\/\d{4}\/\d\d\/\d\d\//, ""))).toEqual([
    "dot.png.gz.enc",
    "reports/january.csv.gz.enc",
    "scans/contract.pdf.gz.enc",
  ]);
  expect(objects.map(({ partCount }) => partCount)).toEqual([0, 0, 2]);
  for (const { key, metadata } of objects) {
    expect(metadata).toMatchObject({
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      "encryption-key-id": expect.stringMatching(/^ingest-/),
    });
    expect((await sandbox.object("mine", key))?.body.includes("2026-01-01,paid")).toBe(false);
  }
});

test("an upload that cannot go on ends the demo with its reason", async () => {
  const sandbox = await startSandbox();
  onTestFinished(() => sandbox.close());
  await expect(run(ownBucket(sandbox, "nowhere"))).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^BUCKET_NOT_FOUND: .*nowhere/),
  });
});

test("a demo that is told to stop ends with 130 and leaves nothing behind", async () => {
  const child = spawn(process.execPath, [...FROM_SOURCES, MAIN], { env });
  const ended = once(child, "close");
  let output = "";
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (data: string) => (errors += data));
  child.stdout.setEncoding("utf8").on("data", (data: string) => {
    const isFirst = !output.includes("taken in");
    output += data;
    // A second one would stop it at once.
    if (isFirst && output.includes("taken in")) child.kill("SIGINT");
  });
  expect(await ended).toEqual([130, null]);
  expect(errors).toBe("");
  expect(output).not.toContain("After:");
  const [, folder = ""] = /^Drop folder {2}.*[/\\](bucketline-ingest-\w+)[/\\]drop$/m.exec(output) ?? [];
  expect(folder).not.toBe("");
  expect(await readdir(tmpdir())).not.toContain(folder);
});
