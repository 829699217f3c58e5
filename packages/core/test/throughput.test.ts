import { describe, expect, test } from "vitest";
import { PartsAtOnce, Throughput } from "../src/throughput.ts";

const MIB = 1024 ** 2;

describe("the rate of requests", () => {
  test("is not known before a body of some size has gone in some time", () => {
    const throughput = new Throughput();
    throughput.carried(4_096, 1);
    throughput.carried(8 * MIB, 0);
    expect(throughput.rate).toBeUndefined();
  });

  test("begins with the first, and follows those that come", () => {
    const throughput = new Throughput();
    throughput.carried(8 * MIB, 8);
    expect(throughput.rate).toBe(MIB);
    throughput.carried(8 * MIB, 16);
    expect(throughput.rate).toBe(MIB * 0.875);
    for (let n = 0; n < 50; n++) throughput.carried(MIB, 100);
    expect(throughput.rate).toBeCloseTo(MIB / 100, -1);
  });
});

/** Sends parts of 1 MiB for so many seconds where `carry` says how many bytes a millisecond so many of them carry together. */
function numbers(seconds: number, { least, most }: { least: number; most: number }, carry: (parts: number) => number) {
  const parts = new PartsAtOnce(least, most, 0);
  const seen = [parts.current];
  for (let now = 0; now < seconds * 1_000; ) {
    now += MIB / carry(parts.current);
    parts.carried(MIB, now);
    if (seen.at(-1) !== parts.current) seen.push(parts.current);
  }
  return seen;
}

describe("parts at once", () => {
  test("grow to the most while each connection has a limit of its own", () => {
    expect(numbers(60, { least: 4, most: 16 }, (parts) => parts * 60_000)).toEqual([4, 6, 9, 14, 16]);
  });

  test("go back when more of them carry no more, and stay there", () => {
    expect(numbers(60, { least: 4, most: 16 }, () => 100_000)).toEqual([4, 6, 4]);
  });

  test("go back to the last number that was worth it", () => {
    expect(numbers(60, { least: 4, most: 16 }, (parts) => Math.min(parts, 9) * 60_000)).toEqual([4, 6, 9, 14, 9]);
  });

  test("stay as they were told to be", () => {
    expect(numbers(60, { least: 3, most: 3 }, (parts) => parts * 60_000)).toEqual([3]);
  });

  test("stay at the most though it no longer carries as much", () => {
    let asked = 0;
    expect(numbers(60, { least: 8, most: 8 }, () => 90_000 - 10 * Math.min(++asked, 8_000))).toEqual([8]);
  });

  test("are not judged by less than two rounds of them", () => {
    const parts = new PartsAtOnce(4, 16, 0);
    for (let n = 1; n < 8; n++) parts.carried(MIB, n * 5_000);
    expect(parts.current).toBe(4);
    parts.carried(MIB, 40_000);
    expect(parts.current).toBe(6);
  });
});
