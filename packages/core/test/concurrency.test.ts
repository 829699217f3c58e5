import { expect, test } from "vitest";
import { Concurrency } from "../src/concurrency.ts";
import { forSeeds } from "./support/random.ts";

function setUp(most: number) {
  const changes: number[] = [];
  const concurrency = new Concurrency(most, (now) => changes.push(now));
  const succeed = (times: number) => {
    for (let time = 0; time < times; time++) concurrency.succeeded();
  };
  return { concurrency, changes, succeed };
}

test("it is halved once per second of complaints, down to one", () => {
  const { concurrency, changes } = setUp(16);
  for (const now of [0, 1, 999, 1_000, 2_000, 3_000, 4_000, 5_000]) concurrency.throttled(now);
  expect(changes).toEqual([8, 4, 2, 1]);
});

test("it grows by one after as many successes as are in flight, up to the most", () => {
  const { concurrency, changes, succeed } = setUp(4);
  succeed(100);
  concurrency.throttled(0);
  succeed(1);
  expect(concurrency.current).toBe(2);
  succeed(1);
  expect(concurrency.current).toBe(3);
  succeed(100);
  expect(changes).toEqual([2, 3, 4]);
});

test("a complaint in between starts the count again", () => {
  const { concurrency, succeed } = setUp(8);
  concurrency.throttled(0);
  succeed(3);
  concurrency.throttled(10);
  succeed(3);
  expect(concurrency.current).toBe(4);
  succeed(1);
  expect(concurrency.current).toBe(5);
});

test("it stays between one and the most, and tells every change once", async () => {
  await forSeeds(50, (dice) => {
    const most = dice.int(1, 20);
    const { concurrency, changes } = setUp(most);
    let now = 0;
    for (let step = 0; step < 500; step++) {
      now += dice.int(0, 700);
      if (dice.chance(0.2)) concurrency.throttled(now);
      else concurrency.succeeded();
      expect(concurrency.current).toBeGreaterThanOrEqual(1);
      expect(concurrency.current).toBeLessThanOrEqual(most);
      expect(changes.at(-1) ?? most).toBe(concurrency.current);
    }
    for (const [index, change] of changes.entries()) expect(change).not.toBe(changes[index - 1] ?? most);
  });
});
