import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { hasEnded, ownProcess, readClocks } from "../src/host.ts";
import { isStale, type Lease } from "../src/liveness.ts";

const DAY = 86_400_000;
const HERE = { host: "h", boot: "b1", pidSpace: "p1", pid: 1, started: "100" };
const NOW = { wall: 1_000 * DAY, monotonic: 10 * DAY };
const lives = () => false;
const ended = () => true;

/** A lease of one minute, renewed `ago` milliseconds ago. */
function lease(ago: number, facts: Partial<Lease> = {}): Lease {
  const beat = { wall: NOW.wall - ago, monotonic: NOW.monotonic - ago };
  return { ...HERE, pid: 2, started: "200", leaseMs: 60_000, beat, ...facts };
}

test("in one boot the lease runs by monotonic time", () => {
  expect(isStale(lease(59_999), HERE, NOW, lives)).toBe(false);
  expect(isStale(lease(60_000), HERE, NOW, lives)).toBe(true);
});

test("in one boot a clock step of a day either way changes nothing", () => {
  for (const step of [-DAY, DAY]) {
    const now = { ...NOW, wall: NOW.wall + step };
    expect(isStale(lease(59_999), HERE, now, lives)).toBe(false);
    expect(isStale(lease(60_000), HERE, now, lives)).toBe(true);
  }
});

test("the files of a process that has ended are free at once", () => {
  expect(isStale(lease(0), HERE, NOW, ended)).toBe(true);
});

test("a process of another container cannot be seen: its pid says nothing, its lease does", () => {
  const other = { pidSpace: "p2", host: "container" };
  expect(isStale(lease(59_999, other), HERE, NOW, ended)).toBe(false);
  expect(isStale(lease(60_000, other), HERE, NOW, lives)).toBe(true);
});

test("after the machine has started anew, the files of every process of before are free", () => {
  const before = { boot: "b0", beat: { wall: NOW.wall, monotonic: NOW.monotonic + DAY } };
  expect(isStale(lease(0, before), HERE, NOW, lives)).toBe(true);
});

test("for another machine wall time decides, and a day's step blocks for no longer than the lease", () => {
  const other = { boot: "b0", host: "elsewhere" };
  expect(isStale(lease(59_999, other), HERE, NOW, ended)).toBe(false);
  expect(isStale(lease(60_000, other), HERE, NOW, lives)).toBe(true);
  expect(isStale(lease(-59_000, other), HERE, NOW, lives)).toBe(false);
  expect(isStale(lease(-DAY, other), HERE, NOW, lives)).toBe(true);
});

test("where the system names no boot, the host's name and the pid decide, then wall time", () => {
  const here = { ...HERE, boot: "", pidSpace: "", started: "" };
  const there = { boot: "", pidSpace: "", started: "" };
  expect(isStale(lease(0, there), here, NOW, ended)).toBe(true);
  expect(isStale(lease(0, { ...there, host: "elsewhere" }), here, NOW, ended)).toBe(false);
  expect(isStale(lease(59_999, there), here, NOW, lives)).toBe(false);
  expect(isStale(lease(60_000, there), here, NOW, lives)).toBe(true);
});

test("a monotonic clock that stands before the beat is not believed", () => {
  const ahead = { beat: { wall: NOW.wall - 60_000, monotonic: NOW.monotonic + DAY } };
  expect(isStale(lease(0, ahead), HERE, NOW, lives)).toBe(true);
});

test("a running process is seen, an ended one and a namesake of another time are not", async () => {
  const { pid, started } = ownProcess();
  expect(hasEnded(pid, started)).toBe(false);
  expect(hasEnded(pid, "")).toBe(false);
  if (started !== "") expect(hasEnded(pid, `${started}1`)).toBe(true);
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  expect(hasEnded(child.pid ?? 0, "")).toBe(false);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(hasEnded(child.pid ?? 0, "")).toBe(true);
});

test("monotonic time never goes back", () => {
  const first = readClocks();
  expect(readClocks().monotonic).toBeGreaterThanOrEqual(first.monotonic);
});
