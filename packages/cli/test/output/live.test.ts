import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Bed, FROM_SOURCES, MAIN } from "../support/program.ts";
import { stored, until } from "../support/traffic.ts";

let bed: Bed;

beforeEach(async () => {
  bed = await Bed.open();
  await bed.write("photos/large.bin", randomBytes(12 * 1024 * 1024));
  await bed.write("photos/small.txt", "small");
  bed.sandbox.fault({ operation: "UploadPart", times: 100, action: { type: "delay", ms: 200 } });
});

afterEach(async () => await bed.close());

const HIDE = "\u001b[?25l";
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const COLOURS = /\u001b\[[\d;]*m/g;
const SHOW = "\u001b[?25h";

/** Runs it on a terminal of its own (util-linux: script), whose keys are what is written to standard input. */
function onTerminal(args: readonly string[], environment: Readonly<Record<string, string>> = {}, columns = 80) {
  const quoted = [process.execPath, ...FROM_SOURCES, MAIN, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", `stty cols ${columns} rows 24; exec ${quoted}`, "/dev/null"], {
    cwd: bed.folder,
    env: { ...bed.environment, TERM: "xterm-256color", LANG: "C.UTF-8", SHELL: "/bin/sh", ...environment },
  });
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    screen += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, screen }));
  return { child, ended, seen: () => screen };
}

const TO = ["sync", "photos", "s3://my-bucket"];

test("draws in place, and leaves the last figures and a visible cursor", async () => {
  const { code, screen } = await onTerminal([...TO, "--part-concurrency", "1"]).ended;
  expect(code).toBe(0);
  expect(screen).toContain("━");
  expect(screen).toContain("large.bin");
  expect(screen.split(HIDE)).toHaveLength(2);
  expect(screen.lastIndexOf(SHOW)).toBeGreaterThan(screen.lastIndexOf(HIDE));
  const last = screen.slice(screen.lastIndexOf(SHOW));
  expect(last).toContain("2 files uploaded");
  // Nothing is drawn any more below the report.
  expect(last.slice(SHOW.length).replaceAll(COLOURS, "")).not.toContain("\u001b");
});

test("Ctrl-C on the terminal: says so, finishes what is in flight, and shows the cursor again", async () => {
  const running = onTerminal([...TO, "--part-concurrency", "1"]);
  await until(() => stored(bed.sandbox).includes("large.bin#1"));
  running.child.stdin.write("\u0003");
  const { code, screen } = await running.ended;
  expect(code).toBe(130);
  expect(screen).toContain("Stopping: what is in flight may finish.");
  expect(screen.lastIndexOf(SHOW)).toBeGreaterThan(screen.lastIndexOf(HIDE));
  expect(screen).toContain("Run it again to go on.");
});

test("a second Ctrl-C ends it at once, with a visible cursor, too", async () => {
  bed.sandbox.clearFaults();
  bed.sandbox.fault({ operation: "CreateMultipartUpload", action: { type: "silence" } });
  const running = onTerminal(TO);
  await until(() => bed.sandbox.requests.some(({ operation }) => operation === "CreateMultipartUpload"));
  running.child.stdin.write("\u0003");
  await until(() => running.seen().includes("Stopping:"));
  running.child.stdin.write("\u0003");
  const { code, screen } = await running.ended;
  expect(code).toBe(130);
  expect(screen.lastIndexOf(SHOW)).toBeGreaterThan(screen.lastIndexOf(HIDE));
});

test("NO_COLOR: in place, and without colours", async () => {
  const { screen } = await onTerminal(TO, { NO_COLOR: "1" }).ended;
  expect(screen).toContain(HIDE);
  expect(screen).not.toMatch(COLOURS);
});

test("a dumb terminal gets lines, and not one control sequence", async () => {
  const { code, screen } = await onTerminal(TO, { TERM: "dumb" }).ended;
  expect(code).toBe(0);
  expect(screen).not.toContain("\u001b");
  expect(screen).toContain("100 %, 12.6 MB of 12.6 MB, 2 of 2 files");
});

test("a log on the same terminal is not drawn over", async () => {
  const { screen } = await onTerminal([...TO, "--log-level", "info"]).ended;
  expect(screen).not.toContain(HIDE);
  expect(screen).toContain('"msg":"upload:completed"');
});

test("a locale without UTF-8 gets ASCII", async () => {
  const { screen } = await onTerminal(TO, { LANG: "C" }).ended;
  expect(screen).toMatch(/\[#+-*\]/);
  expect(screen).not.toContain("━");
});
