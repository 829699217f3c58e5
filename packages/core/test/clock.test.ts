import { expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";

test("monotonic time never goes back, and a sleep takes some", async () => {
  const before = systemClock.monotonic();
  await systemClock.sleep(5);
  expect(systemClock.monotonic()).toBeGreaterThan(before);
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(60_000);
});

test.each([0, -1, Number.NEGATIVE_INFINITY])("a sleep of %d ends at once", async (ms) => {
  await systemClock.sleep(ms);
  await systemClock.sleep(ms, new AbortController().signal);
});

test.each([0, 10, 2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY])(
  "an aborted sleep of %d rejects with the reason",
  async (ms) => {
    const reason = new Error("mine");
    const stop = new AbortController();
    const sleeping = systemClock.sleep(ms, AbortSignal.abort(reason));
    await expect(sleeping).rejects.toBe(reason);
    const later = ms === 0 ? Promise.reject(reason) : systemClock.sleep(ms, stop.signal);
    const checked = expect(later).rejects.toBe(reason);
    stop.abort(reason);
    await checked;
  },
);
