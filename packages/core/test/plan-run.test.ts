import { expect, test } from "vitest";
import type { FileRecord, PlanItem, PlanTotals, RegisterOptions } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { type Dice, forSeeds } from "./support/random.ts";

const PATHS = ["a.txt", "b.txt", "big", "d/a.txt", "d/e/f", "d/g", "x y", "z"];
const HOUR = 3_600_000;
const ALWAYS = Number.POSITIVE_INFINITY;

function randomOptions(dice: Dice): RegisterOptions {
  return {
    ...{ id: "u", sourceFolder: SOURCE, bucket: BUCKET, schedule: "manual" },
    mode: dice.pick(["once", "watch"]),
    onSourceDelete: dice.pick(["keep", "delete"]),
    keyTemplate: dice.pick(["{id}/{path}", "{id}/{name}{ext}"]),
    overwrite: dice.pick(["always", "always", "never"]),
    compare: dice.pick(["stat", "hash"]),
    deleteLimit: { files: dice.pick([1, 1_000]) },
    ...(dice.chance(0.3) && { maxSize: 20 }),
  };
}

function disturb(world: World, dice: Dice, odds: number): void {
  const exists = (path: string) => world.volume.existsSync(`${SOURCE}/${path}`);
  for (const path of PATHS.filter(() => dice.chance(odds))) {
    const what = dice.pick(["write", "write", "touch", "remove", "link"] as const);
    if (what === "write") {
      if (exists(path)) world.remove(path);
      world.write(path, "x".repeat(dice.int(0, 30)));
      world.touch(path, -60_000 - dice.int(0, 5) * 1_000);
    } else if (exists(path) && what === "touch") world.touch(path, -30_000);
    else if (exists(path)) {
      world.remove(path);
      if (what === "link") world.volume.symlinkSync(`${SOURCE}/nowhere`, `${SOURCE}/${path}`);
    }
  }
}

/** Leaves a ledger behind in which anything may stand, by a process that died. */
async function live(world: World, dice: Dice, options: RegisterOptions): Promise<void> {
  for (let lives = dice.int(0, 2); lives > 0; lives--) {
    const process = world.boot({ retry: { attempts: 1 } });
    process.objects.inject({
      method: "putObject",
      times: ALWAYS,
      run: async ({ proceed }) => {
        if (dice.chance(0.3)) throw new Error("whim");
        return await proceed();
      },
    });
    await process.service.start();
    await process.service.register(options);
    await world.until(process.service.check("u"));
    if (dice.chance(0.7)) await world.until(() => isSettled(world));
    process.kill();
    await world.clock.advance(60_000);
    disturb(world, dice, 0.4);
  }
}

function isSettled(world: World): boolean {
  return world.files().every(({ state }) => state !== "PENDING" && state !== "IN_PROGRESS");
}

/** Scans once, and only then sends: nobody frees a key while the scan is under way. */
async function carryOut(world: World, options: RegisterOptions): Promise<Process> {
  const process = world.boot({ requeueFailedAfter: HOUR });
  let scanned = false;
  process.state.inject({
    method: "claim",
    times: ALWAYS,
    run: async ({ proceed }) => {
      while (!scanned) await world.clock.sleep(1);
      return await proceed();
    },
  });
  await process.service.start();
  await process.service.register(options);
  await world.until(process.service.check("u"));
  scanned = true;
  await world.until(() => isSettled(world));
  return process;
}

async function planned(process: Process, options: RegisterOptions, askBucket: boolean) {
  const plan = await process.service.plan(options, { askBucket });
  const items: PlanItem[] = [];
  for await (const item of plan) items.push(item);
  return { items, totals: await plan.totals() };
}

function expectSent(world: World, { path, key }: PlanItem, record: FileRecord | undefined, sent: boolean): void {
  expect(sent).toBe(true);
  expect(record).toMatchObject({ state: "UPLOADED", key });
  expect(world.bucket()[key ?? ""]).toBe(world.volume.readFileSync(`${SOURCE}/${path}`, "utf8"));
}

function expectOutcome(
  world: World,
  item: PlanItem,
  { totals, sent, before }: { totals: PlanTotals; sent: boolean; before: FileRecord | undefined },
): void {
  const record = world.files().find(({ path }) => path === item.path);
  const object = item.key === null ? undefined : world.bucket()[item.key];
  switch (item.action) {
    case "upload":
    case "replace":
      return expectSent(world, item, record, sent);
    case "compare":
      return expect(["UPLOADED", "SKIPPED"]).toContain(record?.state);
    case "unchanged":
    case "failed":
      expect(sent).toBe(false);
      return expect(record).toEqual(before);
    case "skip":
      expect(sent).toBe(false);
      return expect(record).toMatchObject({ state: "SKIPPED", reason: { code: item.reason?.code } });
    case "delete":
      expect(record?.state).toBe("REMOVED");
      expect(record?.evidence === null).toBe(totals.deletesHeld === null);
      return expect(object === undefined).toBe(totals.deletesHeld === null);
    case "remove":
      return expect(record?.state).toBe("REMOVED");
    case "settle":
      return;
    case "unreadable":
      throw new Error("Everything is readable here.");
  }
}

test("a run does what the plan said", async () => {
  const met = new Map<string, number>();
  await forSeeds(250, async (dice) => {
    const world = new World();
    try {
      world.volume.unlinkSync(`${SOURCE}/.keep`);
      const options = randomOptions(dice);
      disturb(world, dice, 0.8);
      await live(world, dice, options);
      const before = world.files();
      const bucket = world.bucket();
      const { items, totals } = await planned(world.boot(), options, options.overwrite === "never" || dice.chance(0.5));
      expect([world.files(), world.bucket()]).toEqual([before, bucket]);
      const process = await carryOut(world, options);
      const sent = new Set(process.named("file:uploaded").map(({ path }) => path));
      for (const item of items) {
        met.set(item.action, (met.get(item.action) ?? 0) + 1);
        const record = before.find(({ path }) => path === item.path);
        expectOutcome(world, item, { totals, sent: sent.has(item.path), before: record });
      }
      const silent = before.filter(({ path }) => !items.some((item) => item.path === path));
      for (const record of silent) expect(world.files()).toContainEqual(record);
      expect([...sent].filter((path) => !items.some((item) => item.path === path))).toEqual([]);
      expect(process.named("warning").some(({ code }) => code === "DELETE_REFUSED")).toBe(
        totals.deletesHeld?.code === "DELETE_REFUSED",
      );
      const files = Object.values(totals.actions).reduce((sum, count) => sum + count.files, 0);
      expect(files).toBe(items.length);
    } finally {
      await world.end();
    }
  });
  for (const action of ["upload", "replace", "compare", "unchanged", "skip", "delete", "remove", "settle", "failed"])
    expect(met.get(action), action).toBeGreaterThan(3);
}, 120_000);
