import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { SpoolFolder } from "../src/index.ts";
import { NodeSpoolFolder } from "../src/node-spool-folder.ts";

const HOST = "host-1";

function base(): string {
  const folder = mkdtempSync(join(tmpdir(), "spool-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const at = (folder: string, host = HOST) => new NodeSpoolFolder({ host, folder });

async function write(spool: SpoolFolder, name: string, text: string): Promise<void> {
  const writer = await spool.create();
  await writer.write(Buffer.from(text));
  await writer.finish(name);
}

async function read(spool: SpoolFolder, name: string): Promise<string | undefined> {
  const reader = await spool.read(name);
  if (!reader) return undefined;
  const target = Buffer.alloc(reader.size + 5);
  const length = await reader.read(target, 0);
  await reader.close();
  return target.subarray(0, length).toString();
}

/** The number of a process that has been and is no more. */
const deadPid = () => Number(execFileSync(process.execPath, ["-e", "console.log(process.pid)"]).toString());

/** As a run leaves it: one whole file, and one that it was writing. */
function leftBy(folder: string, pid: number, { host = HOST, thread = 0, begun = 0, name = "left" } = {}): string {
  const run = join(folder, `${host}.${pid}.${thread}.${begun}.00000000-0000-4000-8000-000000000000`);
  mkdirSync(run, { mode: 0o700 });
  writeFileSync(join(run, `${name}.spool`), "whole");
  writeFileSync(join(run, "1.part"), "ha");
  return run;
}

test("what is finished can be read from anywhere, again and again, and is for the user alone", async () => {
  const folder = join(base(), "made", "below");
  const spool = at(folder);
  expect(await spool.open()).toEqual([]);
  await write(spool, "one", "0123456789");
  expect(await read(spool, "one")).toBe("0123456789");
  const reader = await spool.read("one");
  const piece = Buffer.alloc(4);
  expect(await reader?.read(piece, 8)).toBe(2);
  expect(await reader?.read(piece, 3)).toBe(4);
  expect(piece.toString()).toBe("3456");
  await reader?.close();
  const [run = ""] = readdirSync(folder);
  expect(statSync(join(folder, run)).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, run, "one.spool")).mode & 0o777).toBe(0o600);
  await spool.remove("one");
  await spool.remove("one");
  expect(await read(spool, "one")).toBeUndefined();
  await spool.close();
  expect(readdirSync(folder)).toEqual([]);
});

test("what is discarded leaves nothing", async () => {
  const folder = base();
  const spool = at(folder);
  await spool.open();
  const writer = await spool.create();
  await writer.write(Buffer.alloc(1000));
  await writer.discard();
  const [run = ""] = readdirSync(folder);
  expect(readdirSync(join(folder, run))).toEqual([]);
});

test("whole files of a dead process come along, its unfinished ones go, and nothing else is touched", async () => {
  const folder = base();
  leftBy(folder, deadPid());
  writeFileSync(join(folder, "somebody's.txt"), "");
  const spool = at(folder);
  expect(await spool.open()).toEqual(["left"]);
  expect(await read(spool, "left")).toBe("whole");
  expect(readdirSync(folder).length).toBe(2);
  expect(await spool.open()).toEqual([]);
});

test("a living process is left alone, and so are other hosts", async () => {
  const folder = base();
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "inherit"] });
  await once(child, "spawn");
  const alive = leftBy(folder, child.pid ?? 0);
  const foreign = leftBy(folder, deadPid(), { host: "host-2" });
  const spool = at(folder);
  expect(await spool.open()).toEqual([]);
  expect([readdirSync(alive), readdirSync(foreign)]).toEqual([
    ["1.part", "left.spool"],
    ["1.part", "left.spool"],
  ]);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await spool.open()).toEqual(["left"]);
  expect(readdirSync(foreign)).toHaveLength(2);
});

test("a process with our own number is dead unless it is us: in a container all have the same", async () => {
  const folder = base();
  leftBy(folder, process.pid, { thread: (await import("node:worker_threads")).threadId });
  const spool = at(folder);
  const sibling = at(folder);
  expect(await spool.open()).toEqual(["left"]);
  await write(spool, "mine", "x");
  expect(await sibling.open()).toEqual([]);
  await spool.close();
  expect(await sibling.open()).toEqual(expect.arrayContaining(["left", "mine"]));
});

test.runIf(process.platform === "linux")(
  "a number that another process has got since does not make the dead one live",
  async () => {
    const folder = base();
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child, "spawn");
    leftBy(folder, child.pid ?? 0, { begun: 1 });
    expect(await at(folder).open()).toEqual(["left"]);
  },
);

test("of several that come at once, one takes what is left", async () => {
  const folder = base();
  const pid = deadPid();
  leftBy(folder, pid);
  const spools = Array.from({ length: 8 }, () => at(folder));
  const taken = await Promise.all(spools.map((spool) => spool.open()));
  expect(taken.flat()).toEqual(["left"]);
});

test("a folder that cannot be used says so", async () => {
  const folder = base();
  writeFileSync(join(folder, "file"), "");
  await expect(at(join(folder, "file")).open()).rejects.toMatchObject({ code: "SPOOL_NOT_WRITABLE" });
  if (process.getuid?.() === 0) return;
  chmodSync(folder, 0o500);
  await expect(at(folder).open()).rejects.toMatchObject({ code: "SPOOL_NOT_WRITABLE" });
  chmodSync(folder, 0o700);
});

test.runIf(process.getuid?.() === 0)("what somebody else has put there is no run of ours", async () => {
  const folder = base();
  const foreign = leftBy(folder, deadPid());
  chownSync(foreign, 65_534, 65_534);
  symlinkSync(leftBy(base(), deadPid()), join(folder, `${HOST}.${deadPid()}.0.0.00000000-0000-4000-8000-000000000001`));
  expect(await at(folder).open()).toEqual([]);
  expect(readdirSync(foreign).sort()).toEqual(["1.part", "left.spool"]);
});

test("a link in place of a spooled file is not followed", async () => {
  const folder = base();
  const spool = at(folder);
  await write(spool, "one", "whole");
  const [run = ""] = readdirSync(folder);
  writeFileSync(join(folder, "secret"), "secret");
  rmSync(join(folder, run, "one.spool"));
  symlinkSync(join(folder, "secret"), join(folder, run, "one.spool"));
  await expect(spool.read("one")).rejects.toMatchObject({ code: "SPOOL_NOT_WRITABLE" });
});

test("whatever is asked of it first, and however much at once, a run has one folder", async () => {
  const folder = base();
  const spool = at(folder);
  const names = ["a", "b", "c", "d"];
  await Promise.all(names.map((name) => write(spool, name, name)));
  expect(readdirSync(folder)).toHaveLength(1);
  expect(await Promise.all(names.map((name) => read(spool, name)))).toEqual(names);
});

test("a run that is over leaves no folder, though somebody still asks", async () => {
  const folder = base();
  const spool = at(folder);
  await spool.open();
  const closing = spool.close();
  await spool.remove("one");
  expect(await spool.read("one")).toBeUndefined();
  await expect(spool.create()).rejects.toMatchObject({ code: "SPOOL_NOT_WRITABLE" });
  await closing;
  expect(readdirSync(folder)).toEqual([]);
});

test("a folder that somebody has cleared away is made again, and what lay in it is gone", async () => {
  const folder = base();
  const spool = at(folder);
  await write(spool, "one", "1");
  rmSync(folder, { recursive: true });
  expect(await read(spool, "one")).toBeUndefined();
  await spool.remove("one");
  await write(spool, "two", "2");
  expect(await read(spool, "two")).toBe("2");
  rmSync(folder, { recursive: true });
  expect(await spool.open()).toEqual([]);
  await spool.close();
  expect(readdirSync(folder)).toEqual([]);
});
