import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { afterEach, beforeEach, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

let home: string;
let sandbox: Sandbox;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "bucketline-cron-"));
  sandbox = await startSandbox({ buckets: ["photos"] });
  await mkdir(join(home, "photos"));
  for (let n = 1; n <= 5; n++) await writeFile(join(home, "photos", `${n}.txt`), `number ${n}`);
});

afterEach(async () => {
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
});

function start(...args: string[]) {
  const { PATH = "" } = process.env;
  const { endpoint, region, credentials } = sandbox;
  const env = {
    PATH,
    HOME: home,
    INIT_CWD: home,
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const child = spawn(process.execPath, [...FROM_SOURCES, MAIN, ...args], { env });
  const text = { output: "", errors: "" };
  child.stdout.setEncoding("utf8").on("data", (data: string) => (text.output += data));
  child.stderr.setEncoding("utf8").on("data", (data: string) => (text.errors += data));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, result: ended.then((code) => ({ code, ...text })) };
}

async function run(...args: string[]) {
  return await start(...args).result;
}

const puts = () => sandbox.requests.filter(({ operation }) => operation === "PutObject").map(({ key }) => key);

test("each run sends what has changed since the last one, and nothing else", async () => {
  expect(await run("photos", "photos")).toEqual({
    code: 0,
    output: "5 sent, 5 of 5 files in the bucket\n",
    errors: "",
  });
  await writeFile(join(home, "photos", "3.txt"), "another number");
  sandbox.clearRequests();
  expect(await run("photos", "photos")).toEqual({
    code: 0,
    output: "1 sent, 5 of 5 files in the bucket\n",
    errors: "",
  });
  expect(puts()).toEqual(["nightly/3.txt"]);
  expect((await sandbox.object("photos", "nightly/3.txt"))?.body.toString()).toBe("another number");
  sandbox.clearRequests();
  expect(await run("photos", "photos")).toEqual({
    code: 0,
    output: "0 sent, 5 of 5 files in the bucket\n",
    errors: "",
  });
  expect(puts()).toEqual([]);
});

test("what failed is said, makes the exit code 1, and is sent by the next run", async () => {
  const fault = sandbox.fault({
    operation: "PutObject",
    key: "nightly/2.txt",
    times: Number.POSITIVE_INFINITY,
    action: { type: "respond", status: 400, code: "InvalidRequest" },
  });
  const first = await run("photos", "photos");
  expect(first).toMatchObject({ code: 1, output: "4 sent, 4 of 5 files in the bucket\n" });
  expect(first.errors).toMatch(/^"2\.txt": OBJECT_REJECTED: .*\nUPLOAD_FAILED: .*\n$/);
  expect(fault.fired).toBeGreaterThan(0);
  sandbox.clearFaults();
  expect(await run("photos", "photos")).toEqual({
    code: 0,
    output: "1 sent, 5 of 5 files in the bucket\n",
    errors: "",
  });
});

test("a run that is told to stop in the middle ends with 130, and the next one goes on", async () => {
  const { child, result } = start("photos", "photos");
  sandbox.fault({
    operation: "PutObject",
    action: () => {
      child.kill("SIGTERM");
      return { type: "delay", ms: 1_000 };
    },
  });
  expect(await result).toEqual({ code: 130, output: "", errors: "" });
  const before = puts();
  const next = await run("photos", "photos");
  expect(next).toEqual({
    code: 0,
    output: `${5 - new Set(before).size} sent, 5 of 5 files in the bucket\n`,
    errors: "",
  });
  expect(puts().toSorted()).toEqual([1, 2, 3, 4, 5].map((n) => `nightly/${n}.txt`));
});

test.each([
  [["nowhere", "photos"], 1, /^SOURCE_NOT_FOUND: .*nowhere.*\n$/],
  [["photos", "no-such-bucket"], 1, /^BUCKET_NOT_FOUND: .*\n$/],
  [["photos"], 2, /^usage: /],
] as const)("%j ends with %i and says why", async (args, code, errors) => {
  expect(await run(...args)).toEqual({ code, output: "", errors: expect.stringMatching(errors) });
});
