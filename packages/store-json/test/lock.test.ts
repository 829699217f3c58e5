import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { thisProcess } from "../src/holder.ts";
import { OwnerLock } from "../src/lock.ts";
import { Names, type Place } from "../src/names.ts";
import { testFolder } from "./folder.ts";

const OPTIONS = { atLeast: 0, takeoverMs: 3_000 };
const names = new Names("uploads.json");

/** Holds a taker up once: after it has found the lock free, before it takes the next number. */
class SlowNames extends Names {
  #meanwhile: (() => void) | undefined;

  constructor(meanwhile: () => void) {
    super("uploads.json");
    this.#meanwhile = meanwhile;
  }

  override journals(found: readonly string[]): Place[] {
    this.#meanwhile?.();
    this.#meanwhile = undefined;
    return super.journals(found);
  }
}

async function acquired(folder: string, options = OPTIONS): Promise<OwnerLock> {
  const lock = await OwnerLock.acquire(folder, names, options);
  onTestFinished(() => lock.release());
  return lock;
}

const facts = (overrides = {}) => `${JSON.stringify({ ...thisProcess(), ...overrides })}\n`;

test("a taker that was slow does not become a second owner with a number that has become free again", async () => {
  const folder = testFolder();
  (await acquired(folder)).release();
  const slow = new SlowNames(() => {
    // One took number 2 and died; this process took number 3 and removed the lower ones.
    writeFileSync(join(folder, names.lock(3)), facts());
    rmSync(join(folder, names.lock(1)));
  });
  await expect(OwnerLock.acquire(folder, slow, OPTIONS)).rejects.toMatchObject({ code: "STATE_BUSY" });
  expect(readdirSync(folder)).toEqual([names.lock(3)]);
});

test("a taker that finds its number taken looks again", async () => {
  const folder = testFolder();
  (await acquired(folder)).release();
  const beaten = new SlowNames(() => writeFileSync(join(folder, names.lock(2)), facts({ started: "1" })));
  const lock = await OwnerLock.acquire(folder, beaten, OPTIONS);
  onTestFinished(() => lock.release());
  expect(lock.generation).toBe(3);
  expect(readdirSync(folder)).toEqual([names.lock(3)]);
});

test("numbers go on after the highest that was ever used, when the locks are gone", async () => {
  const folder = testFolder();
  writeFileSync(join(folder, names.journal({ generation: 7, number: 2 })), "");
  expect((await acquired(folder)).generation).toBe(8);
  expect((await acquired(testFolder(), { ...OPTIONS, atLeast: 40 })).generation).toBe(41);
});

test("an owner learns of a successor, and that its own lock is gone or another's", async () => {
  const folder = testFolder();
  const lock = await acquired(folder);
  const own = join(folder, names.lock(1));
  const next = join(folder, names.lock(2));
  const lost = () => expect(() => lock.check()).toThrow(/taken over by/);
  lock.check();
  writeFileSync(next, facts({ pid: 4_711 }));
  expect(() => lock.check()).toThrow(/taken over by process 4711 on host/);
  rmSync(next);
  lock.check();
  renameSync(own, next);
  lost();
  writeFileSync(own, facts());
  rmSync(next);
  lost();
});

test("a released lock stays, empty, and takes nobody else's with it", async () => {
  const folder = testFolder();
  const lock = await acquired(folder);
  const successor = join(folder, names.lock(2));
  writeFileSync(successor, facts());
  lock.release();
  lock.release();
  expect(statSync(join(folder, names.lock(1))).size).toBe(0);
  expect(existsSync(successor) && statSync(successor).size > 0).toBe(true);
});
