import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nameOf } from "../src/settings.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

let home: string;
let folder: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "bucketline-ingest-test-"));
  folder = join(home, "drop");
  await mkdir(folder);
});

afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await rm(home, { recursive: true, force: true });
});

function start(args: readonly string[] = ["--stay", "drop"], more: Record<string, string> = {}) {
  const { PATH = "" } = process.env;
  const env = { PATH, HOME: home, INIT_CWD: home, INGEST_DATA: "data", PORT: "0", ...more };
  const started = spawn(process.execPath, [...FROM_SOURCES, MAIN, ...args], { env });
  child = started;
  const text = { output: "", errors: "" };
  started.stdout.setEncoding("utf8").on("data", (data: string) => (text.output += data));
  started.stderr.setEncoding("utf8").on("data", (data: string) => (text.errors += data));
  const ended = once(started, "close") as Promise<[number | null, string | null]>;
  /** What matches, once it has been printed. */
  const printed = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(text.output);
      if (found) return found;
      if (started.exitCode !== null) throw new Error(`It ended early: ${text.output}${text.errors}`);
      await sleep(20);
    }
  };
  return { process: started, ended, text, printed };
}

const READY = /^Put files into incoming\//m;

async function drop(name: string, content: string): Promise<void> {
  await writeFile(join(home, name), content);
  await rename(join(home, name), join(folder, "incoming", name));
}

test("a folder of one's own is followed until it is told to stop, and after a SIGKILL from where it was", async () => {
  const first = start();
  await first.printed(READY);
  const [, url = ""] = await first.printed(/^Dashboard {4}(http:\S+)\/#/m);
  expect(await (await fetch(`${url}/api/v1/uploads/${nameOf(folder)}`)).json()).toMatchObject({ total_files: 0 });
  const key = join(home, "data", nameOf(folder), "ingest.key");
  const before = await readFile(key);
  expect(before).toHaveLength(32);
  expect((await stat(key)).mode & 0o777).toBe(0o400);
  await drop("one.txt", "one");
  first.process.kill("SIGKILL");
  await first.ended;

  const second = start();
  await second.printed(/^one\.txt +moved +working\/one\.txt -> done\/one\.txt$/m);
  await second.printed(READY);
  await drop("two.exe", "two");
  await second.printed(/^two\.exe +moved +working\/two\.exe -> failed\/two\.exe$/m);
  expect(await readdir(join(folder, "done"))).toEqual(["one.txt"]);
  expect(await readdir(join(folder, "failed"))).toEqual(["two.exe"]);
  expect(await readFile(key)).toEqual(before);
  second.process.kill("SIGTERM");
  expect(await second.ended).toEqual([0, null]);
  expect(second.text.errors).toBe("");
  expect(second.text.output).toMatch(/Stopped\..*\n$/);
});

/** Says of every stream whether it holds the word virus, in the words of clamd. */
async function fakeClamd(path: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let received = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      // The last chunk has no bytes.
      if (!received.subarray(-4).equals(Buffer.alloc(4))) return;
      socket.end(received.includes("virus") ? "stream: Test-Signature FOUND\0" : "stream: OK\0");
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

test("with a clamd files are scanned; while there is none they wait, and are not let through", async () => {
  const socket = join(home, "clamd");
  const service = start(undefined, { CLAMD_SOCKET: socket });
  await service.printed(READY);
  await service.printed(new RegExp(`^Virus scan {3}${socket}$`, "m"));
  await drop("clean.txt", "nothing here");
  await drop("bad.txt", "a virus");
  await service.printed(/^clean\.txt +waits +STEP_UNAVAILABLE: /m);
  await service.printed(/^bad\.txt +waits +STEP_UNAVAILABLE: /m);
  expect((await readdir(join(folder, "working"))).toSorted()).toEqual(["bad.txt", "clean.txt"]);
  const clamd = await fakeClamd(socket);
  try {
    await service.printed(/^clean\.txt +moved +working\/clean\.txt -> done\/clean\.txt$/m);
    await service.printed(/^bad\.txt +moved +working\/bad\.txt -> failed\/bad\.txt$/m);
    expect(service.text.output).toMatch(/^bad\.txt +failed +FILE_REJECTED: .*Test-Signature\.$/m);
    expect(service.text.output).toMatch(/^clean\.txt +clamav +passed {2}clean /m);
  } finally {
    await new Promise((resolve) => clamd.close(resolve));
  }
  service.process.kill("SIGINT");
  expect(await service.ended).toEqual([0, null]);
});

test.each([
  [["--stay", "nowhere"], {}, 1, /^SOURCE_NOT_FOUND: .*nowhere.*\n$/],
  [["--stay"], {}, 2, /--stay.*\nusage: /s],
  [["drop"], {}, 2, /'drop'.*\nusage: /s],
  [[], { PORT: "eighty" }, 2, /^PORT .*eighty\nusage: /],
] as const)("%j %j ends with %i and says why", async (args, env, code, errors) => {
  const run = start(args, env);
  expect(await run.ended).toEqual([code, null]);
  expect(run.text.errors).toMatch(errors);
});

test("a key file that holds no key is refused, and stays as it is", async () => {
  const data = join(home, "data", nameOf(folder));
  await mkdir(data, { recursive: true });
  await writeFile(join(data, "ingest.key"), "short");
  const run = start();
  expect(await run.ended).toEqual([1, null]);
  expect(run.text.errors).toMatch(/^INVALID_OPTION: .*32 bytes/);
  expect(await readFile(join(data, "ingest.key"), "utf8")).toBe("short");
});
