import { describe, expect, test } from "vitest";
import { retryAfter, SCHEDULE, waitAfter } from "../../src/webhooks/schedule.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;

test("ten attempts: at once, then after 5 s, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours; then it is given up", () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((attempts) => waitAfter(attempts, 0, () => 0));
  expect(waits).toEqual(
    [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, null, null].map((s) => s && s * SECOND),
  );
  expect(SCHEDULE[0]).toBe(0);
  expect(SCHEDULE.reduce((sum: number, wait) => sum + wait, 0)).toBe(75 * HOUR + 35 * 60 * SECOND + 5 * SECOND);
});

test("jitter makes a wait up to a fifth longer, never shorter", () => {
  expect(waitAfter(2, 0, () => 0.5)).toBe(330 * SECOND);
  expect(waitAfter(2, 0, () => 0.999999)).toBe(360 * SECOND);
});

test("a receiver that asks for more time gets it; one that asks for less changes nothing", () => {
  expect(waitAfter(1, 60 * SECOND, () => 0)).toBe(60 * SECOND);
  expect(waitAfter(2, 60 * SECOND, () => 0)).toBe(300 * SECOND);
  expect(waitAfter(10, 60 * SECOND, () => 0)).toBe(null);
});

describe("Retry-After", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  test.each([
    [null, 0],
    ["", 0],
    ["120", 120 * SECOND],
    [" 7 ", 7 * SECOND],
    ["0", 0],
    ["-5", 0],
    ["1.5", 0],
    ["1e3", 0],
    ["soon", 0],
    ["99999999999", 24 * HOUR],
    ["9".repeat(400), 0],
    ["Thu, 01 Jan 2026 00:02:00 GMT", 120 * SECOND],
    ["Wed, 31 Dec 2025 23:00:00 GMT", 0],
    ["Thu, 01 Jan 2099 00:00:00 GMT", 24 * HOUR],
    ["Thu, 99 Jan 2026 00:00:00 GMT", 0],
    ["2026-01-01T01:00:00Z", 0],
  ])("%j asks for %d ms", (header, ms) => {
    expect(retryAfter(header, now)).toBe(ms);
  });
});
