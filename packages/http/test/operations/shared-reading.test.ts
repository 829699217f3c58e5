import { beforeEach, describe, expect, test } from "vitest";
import { SharedReading } from "../../src/operations/shared-reading.ts";

let now: number;
let readings: number;
beforeEach(() => {
  now = 0;
  readings = 0;
});

/** Takes so long, and gives the number of the reading. */
const taking = (ms: number) => async () => {
  readings += 1;
  const number = readings;
  await Promise.resolve();
  now += ms;
  return number;
};
const clock = () => now;

describe("a shared reading", () => {
  test("is one for all who ask at once, and holds for a second", async () => {
    const shared = new SharedReading(taking(0), { now: clock });
    expect(await Promise.all([shared.get(), shared.get(), shared.get()])).toEqual([1, 1, 1]);
    now = 999;
    expect(await shared.get()).toBe(1);
    now = 1000;
    expect(await shared.get()).toBe(2);
  });

  test("takes no more than a tenth of the time", async () => {
    const shared = new SharedReading(taking(500), { now: clock });
    await shared.get();
    now = 4_999;
    expect(await shared.get()).toBe(1);
    now = 5_000;
    expect(await shared.get()).toBe(2);
  });

  test("an older one will do for those who say so", async () => {
    const shared = new SharedReading(taking(0), { now: clock });
    await shared.get();
    now = 15_000;
    expect(await shared.get(15_000)).toBe(1);
    expect(await shared.get(14_999)).toBe(2);
  });

  test("that fails fails for those who wait for it, and is tried again for the next", async () => {
    let fails = true;
    const shared = new SharedReading(async () => {
      if (fails) throw new Error("away");
      return "back";
    });
    const both = await Promise.allSettled([shared.get(), shared.get()]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    fails = false;
    expect(await shared.get()).toBe("back");
  });

  test("that does not end is not waited for for ever, and the one before stands in, with its age", async () => {
    let hangs = false;
    const shared = new SharedReading(async () => (hangs ? await new Promise<number>(() => {}) : 7), { now: clock });
    expect(await shared.within(1_000)).toEqual({ value: 7, ageMs: 0 });
    hangs = true;
    now = 5_000;
    expect(await shared.within(10)).toEqual({ value: 7, ageMs: 5_000 });
  });

  test("nothing stands in for the first", async () => {
    expect(await new SharedReading(() => new Promise<number>(() => {})).within(10)).toBeUndefined();
    expect(await new SharedReading(() => Promise.reject(new Error("away"))).within(10_000)).toBeUndefined();
  });
});
