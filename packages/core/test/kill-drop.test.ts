import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Child } from "./kill/child.ts";
import type { DropOrder } from "./kill/dropper.ts";

const PROGRAM = fileURLToPath(new URL("kill/dropper.ts", import.meta.url));
const BUCKET = "bucket";
const FILES_PER_ROUND = 4;
const TIMEOUT_MS = 300_000;

type Failpoint = NonNullable<DropOrder["failpoint"]>;

/** Which calls of each kind: a round has some ten renames, and a few of the others. */
const CALLS = { rename: [1, 3, 7], mkdir: [1, 3], rmdir: [1, 3] } as const;
const FAILPOINTS = (["rename", "mkdir", "rmdir"] as const).flatMap((method) =>
  (["before", "after"] as const).flatMap((phase) => CALLS[method].map((nth): Failpoint => ({ method, phase, nth }))),
);

let base: string;
let folder: string;
let sandbox: Sandbox;
let child: Child | undefined;
/** Every content that was dropped, by path, the newest last. */
let dropped: Map<string, string[]>;

beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "drop-")));
  folder = join(base, "folder");
  await mkdir(folder);
  sandbox = await startSandbox({ buckets: [BUCKET] });
  dropped = new Map();
});

afterEach(async () => {
  await child?.signal("SIGKILL");
  await sandbox[Symbol.asyncDispose]();
  await rm(base, { recursive: true });
});

function start(failpoint?: Failpoint): Child {
  const ledger = join(base, "ledger.db");
  const order = { ledger, folder, bucket: BUCKET, client: sandbox.clientConfig, ...(failpoint && { failpoint }) };
  child = new Child(PROGRAM, [JSON.stringify(order)], join(base, "cache"));
  return child;
}

/** Puts a file into incoming/ in one step, as a producer should. A name that still waits there is left to wait. */
async function drop(path: string, content: string): Promise<void> {
  const place = join(folder, "incoming", path);
  if ((await readFile(place).catch(() => undefined)) !== undefined) return;
  await mkdir(join(place, ".."), { recursive: true });
  await writeFile(join(base, "new"), content);
  await rename(join(base, "new"), place);
  dropped.set(path, [...(dropped.get(path) ?? []), content]);
}

async function dropRound(round: number): Promise<void> {
  for (let index = 0; index < FILES_PER_ROUND; index++)
    await drop(`r${round}/f${index}`, `round ${round} file ${index}`);
  await drop("same.txt", `same, round ${round}`);
}

async function contents(name: string): Promise<string[]> {
  const entries = await readdir(join(folder, name), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), "utf8")));
}

/** Also while files are moved away: what is gone before it was looked at makes the answer no. */
async function isEmpty(name: string): Promise<boolean> {
  try {
    const entries = await readdir(join(folder, name), { recursive: true, withFileTypes: true });
    return !entries.some((entry) => entry.isFile());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** A process that nobody disturbs puts everything in order. */
async function settle(): Promise<void> {
  const last = start();
  await last.line("started");
  const isOver = async () => (await isEmpty("incoming")) && (await isEmpty("working"));
  const deadline = Date.now() + 60_000;
  while (!(await isOver())) {
    if (Date.now() > deadline) throw new Error(`Files are left behind. ${last.errors}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await last.signal("SIGTERM")).toEqual({ code: 0, signal: null });
}

/** Every content ever dropped lies in done/ once, and the bucket holds the newest of each name. */
async function expectInOrder(): Promise<void> {
  expect((await contents("done")).sort()).toEqual([...dropped.values()].flat().sort());
  expect([await contents("failed"), await contents("working"), await contents("incoming")]).toEqual([[], [], []]);
  const stored = await Promise.all(
    [...dropped.keys()].map(async (path) => [path, (await sandbox.object(BUCKET, path))?.body.toString()]),
  );
  expect(stored).toEqual([...dropped].map(([path, all]) => [path, all.at(-1)]));
  expect(sandbox.objects(BUCKET)).toHaveLength(dropped.size);
  expect(await readdir(join(folder, "working"))).toEqual([]);
}

describe("a service on a drop folder that is killed", { timeout: TIMEOUT_MS }, () => {
  test("at each change of a folder: nothing is lost, doubled or left in between", async () => {
    let killed = 0;
    for (const [round, failpoint] of FAILPOINTS.entries()) {
      if (round > 0) await dropRound(round);
      const victim = start(failpoint);
      // The first one makes the folders, and may die of it.
      if (round === 0 && failpoint.method === "rename") {
        await victim.line("started");
        await dropRound(round);
      }
      const unharmed = setTimeout(() => victim.send("SIGTERM"), 30_000);
      const { signal } = await victim.ended;
      clearTimeout(unharmed);
      expect(signal, JSON.stringify(failpoint)).toBe("SIGKILL");
      killed++;
    }
    await settle();
    await expectInOrder();
    const files = [...dropped.values()].flat().length;
    console.log(
      `drop folder: ${killed} SIGKILLs at failpoints, ${files} files in done/ once, ${dropped.size} objects right`,
    );
  });

  test("from outside, whatever it is doing", async () => {
    const maker = start();
    await maker.line("started");
    await maker.signal("SIGKILL");
    const stages = ["claimed r", "uploaded r", "disposed r", "claimed same", "uploaded same", "disposed same"];
    for (const [round, stage] of stages.entries()) {
      await dropRound(round);
      const victim = start();
      await victim.line(stage);
      expect(await victim.signal("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
    }
    await settle();
    await expectInOrder();
    const files = [...dropped.values()].flat().length;
    console.log(
      `drop folder: ${stages.length + 1} SIGKILLs from outside, ${files} files in done/ once, ${dropped.size} objects right`,
    );
  });
});
