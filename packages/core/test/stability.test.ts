import { expect, test } from "vitest";
import { quietDelay, stabilityPolicy } from "../src/stability.ts";

const NOW = 1_000_000_000;
const policy = { threshold: 5_000, maxUnstableAge: null };

function touched(mtimeAge: number, ctimeAge: number) {
  const ns = (age: number) => BigInt(NOW - age) * 1_000_000n;
  return { size: 1, mtimeNs: ns(mtimeAge), fingerprint: `1:2:1:${ns(mtimeAge)}:${ns(ctimeAge)}` };
}

test.each([
  ["just modified", 0, 0, 5_000],
  ["quiet for a while", 2_000, 2_000, 3_000],
  ["quiet for the threshold", 5_000, 5_000, 0],
  ["old", 1_000_000, 1_000_000, 0],
  ["from the future", -60_000, -60_000, 5_000],
  ["being copied, with the old modification time set back again and again", 1_000_000, 1_000, 4_000],
  ["moved or made readable long after it was written", 1_000_000, 6_000, 0],
])("%s", (_, mtimeAge, ctimeAge, delay) => {
  expect(quietDelay(touched(mtimeAge, ctimeAge), null, NOW, policy)).toBe(delay);
});

test("what has been unstable for too long is not waited for", () => {
  const limited = { ...policy, maxUnstableAge: 60_000 };
  expect(quietDelay(touched(0, 0), NOW - 59_999, NOW, limited)).toBe(5_000);
  expect(quietDelay(touched(0, 0), NOW - 60_000, NOW, limited)).toBe(0);
  expect(quietDelay(touched(0, 0), null, NOW, limited)).toBe(5_000);
});

test("only a watched upload waits for its files to be quiet", () => {
  const thresholds = (["watch", "once"] as const).map((mode) => stabilityPolicy({ mode, maxUnstableAge: null }, 5));
  expect(thresholds.map(({ threshold }) => threshold)).toEqual([5, 0]);
});
