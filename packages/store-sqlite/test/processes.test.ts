import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { reduceFile } from "@bucketline/core";
import { expect, onTestFinished, test } from "vitest";
import { everyFile, fill, NOW, opened, testFolder } from "./folder.ts";

interface Owner {
  readonly process: ChildProcess;
  /** Its next answer. */
  next(): Promise<unknown>;
}

async function start(task: "open" | "claim" | "hold", path: string, owner: string): Promise<Owner> {
  const program = fileURLToPath(new URL("owner-process.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@bucketline/source", program, task, path, owner], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`The process ${owner} ended before it answered.`);
    return JSON.parse(value);
  };
  expect(await next()).toBe("ready");
  return { process: child, next };
}

function go(owners: readonly Owner[]): void {
  for (const owner of owners) owner.process.stdin?.write("go\n");
}

const release = (file: Parameters<typeof reduceFile>[0]) => reduceFile(file, { type: "release", burnt: true }, NOW);

test("several processes may create one database at once", async () => {
  const path = join(testFolder(), "uploads.db");
  const owners = await Promise.all(["a", "b", "c"].map((owner) => start("open", path, owner)));
  go(owners);
  expect(await Promise.all(owners.map((owner) => owner.next()))).toEqual(["closed", "closed", "closed"]);
  await opened(path);
});

test("two processes working through one database never take the same file, and lose none", async () => {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  const files = await fill(store, 500);
  const owners = await Promise.all(["a", "b"].map((owner) => start("claim", path, owner)));
  go(owners);
  const taken = (await Promise.all(owners.map((owner) => owner.next()))).flat();
  expect(taken.toSorted()).toEqual(files.map((file) => file.path));
  expect((await store.counters("u")).UPLOADED).toEqual({ files: 500, bytes: 50_000 });
  expect((await everyFile(store)).every((file) => file.state === "UPLOADED" && file.fence === 1)).toBe(true);
});

test("what a killed process held is rescued at once; what a running one holds is not", async () => {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  await fill(store, 20);
  const [doomed, lasting] = await Promise.all(["doomed", "lasting"].map((owner) => start("hold", path, owner)));
  if (!doomed || !lasting) throw new Error("both processes have started");
  go([doomed, lasting]);
  const [held] = await Promise.all([doomed.next(), lasting.next()]);
  expect(await store.rescue({ limit: 100, release })).toEqual([]);
  doomed.process.kill("SIGKILL");
  await once(doomed.process, "exit");
  const rescued = await store.rescue({ limit: 100, release });
  expect(rescued.map((file) => file.path)).toEqual(held);
  expect((await store.counters("u")).IN_PROGRESS.files).toBe(5);
});
