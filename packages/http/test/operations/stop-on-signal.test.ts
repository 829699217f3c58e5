import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

interface Line {
  readonly what: string;
  readonly url?: string;
  readonly path?: string;
  readonly signal?: string;
  readonly stopping?: boolean;
}

const PROGRAM = fileURLToPath(new URL("serve.ts", import.meta.url));

let folder: string;
let child: ChildProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bucketline-stop-"));
  for (const name of ["one", "two", "three"]) await writeFile(join(folder, name), name);
});
afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  await rm(folder, { recursive: true });
});

class Running {
  readonly lines: Line[] = [];
  readonly process: ChildProcess;
  readonly exited: Promise<readonly [number | null, string | null]>;

  constructor(delay: number, timeout = 25_000) {
    const args = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning", PROGRAM];
    this.process = spawn(process.execPath, [...args, folder, String(delay), String(timeout)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    child = this.process;
    this.exited = new Promise((resolve) => this.process.on("exit", (code, signal) => resolve([code, signal])));
    if (this.process.stdout) {
      createInterface(this.process.stdout).on("line", (line) => void this.lines.push(JSON.parse(line)));
    }
  }

  async said(what: string): Promise<Line> {
    const found = () => this.lines.find((line) => line.what === what);
    await expect.poll(found, { timeout: 20_000, interval: 20 }).toBeDefined();
    return found() ?? { what };
  }

  get order(): string[] {
    return this.lines.map(({ what }) => what);
  }
}

describe("SIGTERM", () => {
  test("closes the server with its streams, then lets what is in flight finish, begins nothing, and ends well", async () => {
    const running = new Running(2_500);
    const { url = "" } = await running.said("listening");
    const stream = await fetch(`${url}/events`);
    const { path } = await running.said("started");
    await running.said("sending");
    running.process.kill("SIGTERM");
    const told = await stream.text();
    expect(told).toContain("event: bye");
    expect(await running.said("stopped")).toEqual({ what: "stopped", signal: "SIGTERM" });
    expect(await running.exited).toEqual([0, null]);
    expect(running.lines.filter(({ what }) => what === "uploaded")).toEqual([{ what: "uploaded", path }]);
    expect(running.lines.filter(({ what }) => what === "started")).toHaveLength(1);
    expect(running.lines).toContainEqual({ what: "server closed", stopping: false });
    expect(running.order.indexOf("server closed")).toBeLessThan(running.order.indexOf("stopped"));
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  test("twice does not wait for what is in flight", async () => {
    const running = new Running(600_000);
    await running.said("listening");
    await running.said("sending");
    running.process.kill("SIGTERM");
    await running.said("server closed");
    running.process.kill("SIGINT");
    expect(await running.said("stopped")).toEqual({ what: "stopped", signal: "SIGTERM" });
    expect(await running.exited).toEqual([0, null]);
    expect(running.order).not.toContain("uploaded");
  });

  test("is cut short when it takes too long", async () => {
    const running = new Running(600_000, 500);
    await running.said("listening");
    await running.said("sending");
    running.process.kill("SIGTERM");
    await running.said("stopped");
    expect(await running.exited).toEqual([0, null]);
    expect(running.order).not.toContain("uploaded");
  });
});
