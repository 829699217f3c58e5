import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startSandbox } from "@bucketline/s3-sandbox";
import { expect, onTestFinished, test } from "vitest";
import { makeDemoFolder } from "../src/demo-folder.ts";
import { openStages } from "../src/stages.ts";
import { swapStores } from "../src/swap.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "bucketline-swap-store-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function run(
  args: readonly string[],
  cwd: string,
): Promise<{ code: number | null; output: string; errors: string }> {
  const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, MAIN, ...args], { env: { ...process.env, INIT_CWD: cwd } });
  onTestFinished(() => void child.kill("SIGKILL"));
  const texts = { output: "", errors: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (texts.output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (texts.errors += text));
  return await new Promise((resolve) => child.once("close", (code) => resolve({ code, ...texts })));
}

test("one upload goes through every store: the bucket holds each file as it is, and nothing was sent twice", async () => {
  const home = testFolder();
  const folder = await makeDemoFolder(home);
  const sandbox = await startSandbox({ buckets: ["bucket"] });
  onTestFinished(() => sandbox.close());
  const lines: string[] = [];
  const { stages, close } = await openStages(home, (line) => lines.push(line));
  onTestFinished(close);
  expect(stages.map(({ name }) => name)).toEqual(["SQLite", "JSON", "PostgreSQL"]);
  expect(await swapStores({ folder, sandbox, stages, print: (line) => lines.push(line) })).toBe(0);
  const objects = sandbox.objects("bucket");
  expect(objects).toHaveLength(62);
  for (const { key } of objects) {
    const stored = await sandbox.object("bucket", key);
    expect(stored?.body.equals(readFileSync(join(folder, key.slice(key.indexOf("/") + 1))))).toBe(true);
  }
  expect(sandbox.multipartUploads("bucket")).toEqual([]);
  expect(sandbox.requests.filter(({ operation }) => operation === "CreateMultipartUpload")).toHaveLength(2);
  const shares = lines.map((line) => Number(/, (\d+) % of/.exec(line)?.[1])).filter((share) => !Number.isNaN(share));
  expect(shares).toHaveLength(3);
  // It was stopped on the way, with parts of files in the bucket, and each time it went on.
  expect(shares[0]).toBeLessThan(shares[1] as number);
  expect(shares[1]).toBeLessThan(100);
  expect(shares[2]).toBe(100);
  expect(lines.filter((line) => /→ .*and [1-9]\d* parts of files/.test(line))).toHaveLength(2);
}, 60_000);

test("a folder of one's own, however small", async () => {
  const home = testFolder();
  mkdirSync(join(home, "mine", "deep"), { recursive: true });
  writeFileSync(join(home, "mine", "deep", "one.txt"), "one");
  const { code, output, errors } = await run(["mine"], home);
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  expect(output).toMatch(
    /^SQLite: .*\nSQLite → JSON: 1 files moved, .*\nJSON: 1 of 1 files .*\nJSON → PostgreSQL: 1 files/,
  );
  expect(output).toMatch(
    /The bucket holds 1 objects\. It took 1 requests with 3 bytes of files\.\nNothing was sent twice\.\n$/,
  );
}, 60_000);

test("a folder that is not there: named in one line", async () => {
  const { code, errors } = await run(["nowhere"], testFolder());
  expect(code).toBe(1);
  expect(errors).toMatch(/^SOURCE_NOT_FOUND: .*nowhere.*\n$/);
}, 60_000);
