import { beforeEach, describe, expect, test } from "vitest";
import { DueList } from "../src/due-list.ts";
import { FakeClock } from "../src/testing/index.ts";
import type { UploadSpec } from "../src/upload.ts";
import { upload } from "./support/records.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let clock: FakeClock;
let list: DueList;
beforeEach(() => {
  // Local time, so that the cron expressions mean the same everywhere.
  clock = new FakeClock(new Date(2026, 5, 1, 12, 0).getTime());
  list = new DueList(clock, MINUTE);
});

function watched(schedule: UploadSpec["schedule"], scannedAgo?: number) {
  const startedAt = clock.now() - (scannedAgo ?? 0);
  const counts = { seen: 0, added: 0, changed: 0, removed: 0, skipped: 0, unstable: 0 };
  const lastScan = { startedAt, finishedAt: startedAt, ...counts, complete: true, device: "1", doubt: null };
  return { ...upload({ schedule }), lastScan: scannedAgo === undefined ? null : lastScan };
}

async function takenIn(ms: number): Promise<number[]> {
  const start = clock.monotonic();
  const taken: number[] = [];
  for (;;) {
    for (const _ of list.take()) taken.push(clock.monotonic() - start);
    const left = start + ms - clock.monotonic();
    if (left <= 0) return taken;
    await clock.advance(Math.min(left, Math.max(1, list.wait())));
  }
}

describe("an interval", () => {
  test("of the service, or of the upload; the first time at once", async () => {
    list.add(watched(null));
    expect(await takenIn(3 * MINUTE)).toEqual([0, MINUTE, 2 * MINUTE, 3 * MINUTE]);
    list.remove("u");
    list.add(watched(2 * MINUTE));
    expect(await takenIn(4 * MINUTE)).toEqual([0, 2 * MINUTE, 4 * MINUTE]);
  });

  test("does not care for the wall clock", async () => {
    list.add(watched(null));
    await takenIn(0);
    clock.step(-24 * HOUR);
    expect(await takenIn(MINUTE)).toEqual([MINUTE]);
    clock.step(48 * HOUR);
    expect(await takenIn(MINUTE)).toEqual([MINUTE]);
  });

  test("is shared with other hosts: what one of them has just scanned is due later", async () => {
    list.add(watched(null));
    await takenIn(MINUTE);
    expect(list.isFresh(watched(null, 20_000))).toBe(true);
    expect(list.wait()).toBe(40_000);
    expect(list.isFresh(watched(null, 58_000))).toBe(false);
    expect(list.isFresh(watched(null, -5_000))).toBe(false);
    expect(list.isFresh(watched(null))).toBe(false);
  });
});

describe("a cron expression", () => {
  test("of what was never scanned: at once, and then by local time", async () => {
    list.add(watched("30 * * * *"));
    expect(await takenIn(2 * HOUR)).toEqual([0, 30 * MINUTE, 90 * MINUTE]);
  });

  test("waits for its time after a restart, unless that has passed meanwhile", async () => {
    list.add(watched("0 13 * * *", 2 * HOUR));
    expect(await takenIn(2 * HOUR)).toEqual([HOUR]);
    list.remove("u");
    list.add(watched("0 13 * * *", 3 * HOUR));
    expect(await takenIn(HOUR)).toEqual([0]);
  });

  test("is shared with other hosts: what one of them has scanned since is not due any more", async () => {
    list.add(watched("0 13 * * *", MINUTE));
    expect(await takenIn(HOUR + 1_000)).toEqual([HOUR]);
    expect(list.isFresh(watched("0 13 * * *", 500))).toBe(true);
    expect(list.isFresh(watched("0 13 * * *", 1_500))).toBe(false);
    expect(list.isFresh(watched("0 13 * * *", -5_000))).toBe(false);
    expect(list.isFresh(watched("0 13 * * *"))).toBe(false);
    expect(await takenIn(24 * HOUR)).toHaveLength(1);
  });

  test("follows a clock that is set forward or back within ten minutes", async () => {
    list.add(watched("0 18 * * *", HOUR));
    await takenIn(0);
    clock.step(6 * HOUR);
    const [taken] = await takenIn(20 * MINUTE);
    expect(taken).toBeLessThanOrEqual(10 * MINUTE);
    list.remove("u");
    list.add(watched("0 19 * * *", HOUR));
    clock.step(-2 * HOUR);
    expect(await takenIn(HOUR)).toEqual([]);
  });
});

test("manual: once, and then never by itself", async () => {
  list.add(watched("manual"));
  expect(await takenIn(24 * HOUR)).toEqual([0]);
  list.remove("u");
  list.add(watched("manual", HOUR));
  expect(await takenIn(24 * HOUR)).toEqual([]);
  expect(list.wait()).toBe(Number.POSITIVE_INFINITY);
});

test("a changed schedule counts from now on", async () => {
  list.add(watched("manual", HOUR));
  list.adjust(watched(5 * MINUTE));
  expect(await takenIn(10 * MINUTE)).toEqual([5 * MINUTE, 10 * MINUTE]);
  list.adjust(watched(5 * MINUTE));
  expect(list.wait()).toBe(5 * MINUTE);
});

test("a schedule that is changed before the first scan does not put that off", async () => {
  list.add(watched(null));
  list.adjust(watched("manual"));
  expect(await takenIn(HOUR)).toEqual([0]);
});

test("a hint hastens, and never delays", async () => {
  list.add(watched(null));
  await takenIn(0);
  list.hasten("u", 2_000);
  list.hasten("u", 50_000);
  expect(await takenIn(MINUTE)).toEqual([2_000]);
});
