import { execFile } from "node:child_process";
import { EventEmitter } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BucketlineEmitter, Progress } from "@bucketline/core";
import { expect, onTestFinished, test } from "vitest";
import { barLine, plainLine } from "../src/bar.ts";
import { showProgress } from "../src/show.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

const HALF: Progress = {
  uploadId: "a",
  state: "IN_PROGRESS",
  filesTotal: 62,
  filesUploaded: 12,
  filesFailed: 0,
  filesSkipped: 0,
  filesPending: 50,
  bytesTotal: 60 * 2 ** 20,
  bytesUploaded: 30 * 2 ** 20,
  fraction: 0.5,
  rate: 2 ** 20,
  etaSeconds: 30,
};

test("a bar is as wide as its terminal lets it be, and never wider", () => {
  const facts = " 50 %  30.0 MiB of 60.0 MiB  12 of 62 files  1.0 MiB/s  30 s left";
  expect(barLine(HALF, 200)).toBe(`[${"#".repeat(20)}${"-".repeat(20)}] ${facts}`);
  expect(barLine(HALF, 80)).toBe(`[#####------] ${facts}`);
  expect(barLine(HALF, 30)).toBe(facts.slice(0, 29));
  for (const columns of [1, 10, 40, 70, 71, 72, 80, 120]) expect(barLine(HALF, columns).length).toBeLessThan(columns);
});

test("100 % are only there when everything is", () => {
  expect(plainLine({ ...HALF, fraction: 0.999 })).toMatch(/^99 %/);
  const done = { ...HALF, fraction: 1, filesUploaded: 61, filesFailed: 1, rate: 0, etaSeconds: 0 };
  expect(plainLine(done)).toBe("100 %  30.0 MiB of 60.0 MiB  61 of 62 files  1 failed");
});

test("on a terminal one line is drawn again and again, and failures stay above it", () => {
  const emitter = new EventEmitter() as BucketlineEmitter;
  const written: string[] = [];
  const terminal = { isTTY: true, columns: 100, write: (text: string) => written.push(text) };
  const done = showProgress(emitter, terminal);
  emitter.emit("upload:progress", HALF);
  const reason = { code: "SOURCE_NOT_READABLE", message: "it may not be read" } as const;
  const file = { uploadId: "a", key: "a/red", state: "FAILED", size: 3, attempts: 5 } as const;
  emitter.emit("file:failed", { ...file, path: "\u001b[31mred\n", reason });
  done({ ...HALF, fraction: 1 });
  expect(written).toEqual([
    `\r\u001b[K${barLine(HALF, 100)}`,
    "\r\u001b[Kred?: SOURCE_NOT_READABLE: it may not be read\n",
    `\r\u001b[K${barLine({ ...HALF, fraction: 1 }, 100)}`,
    "\n",
  ]);
});

test("into a pipe it writes plain lines, few of them, and the last one says all", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...FROM_SOURCES, MAIN]);
  expect(stderr).toBe("");
  expect(stdout).not.toContain("\u001b");
  expect(stdout).not.toContain("\r");
  const lines = stdout.trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.length).toBeLessThan(8);
  expect(lines.at(-1)).toMatch(/^100 % {2}25\.1 MiB of 25\.1 MiB {2}61 of 61 files/);
});

test("a folder that is not there: named in one line", async () => {
  const home = await mkdtemp(join(tmpdir(), "bucketline-progress-bar-test-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const env = { ...process.env, INIT_CWD: home };
  const run = promisify(execFile)(process.execPath, [...FROM_SOURCES, MAIN, "nowhere"], { env });
  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^SOURCE_NOT_FOUND: .*nowhere.*\n$/),
  });
});
