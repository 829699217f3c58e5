import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { linesOf } from "../transfer/goals.ts";
import { measure } from "../transfer/measure.ts";
import { pageFiles } from "../transfer/page.ts";
import { summarize } from "../transfer/profile.ts";
import { load, type Machine, median, RESULTS, type Run, type TransferResult } from "../transfer/results.ts";
import { GROUPS, type Row } from "../transfer/rows.ts";
import { sentAgain, shortfall } from "../transfer/run.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bucketline-transfer-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const MACHINE: Machine = {
  ...{ date: "2026-01-02", cpu: "cpu", cores: 2, memoryGiB: 8 },
  ...{ platform: "linux x64", node: "v24.0.0", loadBefore: 0 },
};

const row = (name: string) =>
  Object.values(GROUPS)
    .flat()
    .find((each) => each.name === name) as Row;

function result(name: string, cpu: Readonly<Record<string, readonly number[]>>): TransferResult {
  const run = (cpuSeconds: number): Run => ({
    ...{ cpuSeconds, wallSeconds: cpuSeconds, rssMiB: 100, requests: 1, sinkCpuSeconds: 0 },
  });
  const runs = Object.fromEntries(Object.entries(cpu).map(([label, values]) => [label, values.map(run)]));
  const skipped = { rclone: "rclone is not installed" };
  const about = { versions: { curl: "8" }, dataPath: "default", machine: MACHINE };
  return { kind: "transfer", row: row(name), ...about, runs, skipped };
}

test("the page and its pictures are those of the results that are kept", () => {
  const results = load(RESULTS);
  expect(results.size).toBeGreaterThan(0);
  for (const [path, text] of pageFiles(results)) expect(readFileSync(join(docs, path), "utf8"), path).toBe(text);
});

test("no result names a path or a host", () => {
  for (const name of load(RESULTS).keys()) {
    expect(readFileSync(join(RESULTS, `${name}.json`), "utf8")).not.toMatch(
      /\/(home|root|tmp|work|Users)\/|127\.0\.0\.1/,
    );
  }
});

test("a ratio is the median of the rounds' ratios, and decides whether the goal is reached", () => {
  const cpu = { bucketline: [2, 9, 3], curl: [1, 3, 1], "lib-storage": [28, 18, 20] };
  const lines = linesOf(result("small", cpu));
  const about = (peer: string) => lines.find((line) => line.peer.startsWith(peer));
  expect(about("curl")).toMatchObject({ measured: "3.00 ×", goal: "≤ 2.5 ×", reached: false });
  expect(about("lib-storage")).toMatchObject({ measured: "0.15 ×", goal: "≤ 1/7", reached: false });
  expect(lines.find(({ what }) => what === "CPU per file")).toMatchObject({ measured: "300 µs", reached: false });
  const better = linesOf(result("small", { ...cpu, bucketline: [1, 2, 1] }));
  expect(better.filter(({ peer }) => peer !== "").every(({ reached }) => reached)).toBe(true);
});

test("who sends unchecked is not the best peer", () => {
  const lines = linesOf(result("mid", { bucketline: [1], curl: [0.1], rclone: [4], "aws-cli": [3.1] }));
  expect(lines).toMatchObject([{ peer: "aws-cli 3.10 s", measured: "0.32 ×", reached: true }]);
});

test("further files are what counts in the steady state", () => {
  const lines = linesOf(result("small", { bucketline: [2], "bucketline, 30,000 files": [4] }));
  expect(lines.find(({ what }) => what === "CPU per further file")).toMatchObject({
    measured: "100 µs",
    reached: true,
  });
});

test("a peer that is not there is named on the page, and one that needs less, too", () => {
  const page = pageFiles(new Map([["small", result("small", { bucketline: [2], curl: [1] })]])).get("performance.md");
  expect(page).toContain("rclone was left out: rclone is not installed.");
  expect(page).toContain("10,000 × 4 KiB: CPU (curl); time (curl)");
});

test("a client that fails in silence is noticed", () => {
  const wanted = { files: 2, bytes: 8 };
  expect(shortfall({ objects: 2, bytes: 8 }, wanted)).toBeUndefined();
  expect(shortfall({ objects: 1, bytes: 8 }, wanted)).toContain("1 of 8 bytes arrived, not 2 objects");
  expect(shortfall({ objects: 2, bytes: 7 }, wanted)).toContain("not 2 objects of 8 bytes");
  expect(sentAgain({ bytesReceived: 0, objects: 2 }, 2)).toBeUndefined();
  expect(sentAgain({ bytesReceived: 4, objects: 2 }, 2)).toContain("4 bytes were sent again");
});

test("the processes that a client starts count, and a failing client does not", async () => {
  const log = join(folder, "log");
  const busy = `const until = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < until);`;
  const { cpuSeconds, wallSeconds, rssMiB } = await measure(
    { program: "bash", args: ["-c", '"$0" -e "$1"; true', process.execPath, busy] },
    log,
  );
  expect(cpuSeconds).toBeGreaterThanOrEqual(0.3);
  expect(wallSeconds).toBeGreaterThan(0);
  expect(rssMiB).toBeGreaterThan(20);
  await expect(measure({ program: "bash", args: ["-c", "echo sorry; exit 3"] }, log)).rejects.toThrow(/with 3: sorry/);
});

test("medians", () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
});

test("a profile's time goes to whose code it is, native code to whoever called it, and waiting to nobody", () => {
  const node = (id: number, functionName: string, url: string, children: number[] = []) => {
    return { id, callFrame: { functionName, url, lineNumber: 0 }, children };
  };
  const nodes = [
    node(1, "(root)", "", [2, 4, 5]),
    node(2, "commit", "file:///x/packages/store-sqlite/src/store.ts", [3]),
    node(3, "exec", ""),
    node(4, "(idle)", ""),
    node(5, "send", "file:///x/node_modules/@smithy/core/index.js"),
  ];
  const profile = { nodes, samples: [2, 3, 4, 5], timeDeltas: [1_000, 2_000, 50_000, 4_000] };
  writeFileSync(join(folder, "one.cpuprofile"), JSON.stringify(profile));
  const { totalMs, groups, functions } = summarize(folder);
  expect(totalMs).toBe(7);
  expect(groups.slice(0, 2)).toEqual([
    { name: "SDK", milliseconds: 4 },
    { name: "ledger", milliseconds: 3 },
  ]);
  expect(functions[1]).toEqual({ name: "exec", group: "ledger", milliseconds: 2 });
});
