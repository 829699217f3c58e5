import { expect, test } from "vitest";
import { lookCost, requestCost, storageCost } from "../scaling/prices.ts";
import { duration } from "../scaling/report.ts";
import { type Costs, type Layout, simulate, type World } from "../scaling/simulation.ts";
import { seeded, sizes } from "../scaling/sizes.ts";

const COSTS: Costs = { cpuPerFile: 1e-4, cpuPerByte: 0, databasePerFile: 0, bytesPerRow: 300 };
const WORLD: World = {
  files: 100_000,
  mix: { median: 1_000, sigma: 0, largest: 2 ** 40 },
  seed: 1,
  chunkSize: 5 * 2 ** 20,
  cores: 1,
  databaseCores: 4,
  network: 1e12,
  requests: 1e6,
  latency: 0.03,
  connection: 1e12,
  writesPerPrefix: 1e9,
  failing: 0,
};
const layout = (changes: Partial<Layout> = {}): Layout => ({
  name: "one",
  hosts: 1,
  uploads: 1,
  databases: 0,
  costs: COSTS,
  ...changes,
});

test("every file is sent once, and the time is what the scarcest resource takes", () => {
  const outcome = simulate(layout(), WORLD);
  expect(outcome).toMatchObject({ files: 100_000, bytes: 1e8, inParts: 0, writes: 100_000, reads: 0 });
  expect(outcome.ledgerBytes).toBe(3e7);
  // 100,000 files at 100 µs.
  expect(outcome.seconds).toBe(10);
  expect(outcome.limits).toMatchObject({ CPU: 1 });
});

test.each([
  ["S3 prefix", { writesPerPrefix: 3_500 }, {}, 29],
  ["network", { network: 5e6 }, {}, 20],
  ["latency", { requests: 64 }, {}, 47],
  ["database", {}, { databases: 1, costs: { ...COSTS, databasePerFile: 8e-4 } }, 20],
] as const)("%s can be the scarcest", (name, world, changes, seconds) => {
  const outcome = simulate(layout(changes), { ...WORLD, ...world });
  expect(Math.abs(outcome.seconds - seconds)).toBeLessThanOrEqual(1);
  expect(outcome.limits[name]).toBeGreaterThan(0.9);
});

test("more hosts and prefixes share the work, and a prefix is nobody's twice", () => {
  const few = simulate(layout({ uploads: 8 }), { ...WORLD, writesPerPrefix: 500 });
  const many = simulate(layout({ hosts: 4, uploads: 8 }), WORLD);
  expect(few).toMatchObject({ files: 100_000, seconds: 25 });
  expect(many).toMatchObject({ files: 100_000, writes: 100_000, seconds: 3 });
});

test("large files go in parts, with a beginning, a completion and two looks", () => {
  const world = { ...WORLD, files: 10, mix: { median: 50 * 2 ** 20, sigma: 0, largest: 2 ** 40 } };
  expect(simulate(layout(), world)).toMatchObject({ files: 10, inParts: 10, writes: 120, reads: 20 });
});

test("failing requests are repeated, and the same seed gives the same run", () => {
  const world = { ...WORLD, failing: 0.01 };
  const once = simulate(layout(), world);
  expect(once.writes).toBeGreaterThan(100_800);
  expect(once.writes).toBeLessThan(101_200);
  expect(simulate(layout(), world)).toEqual(once);
});

test("sizes have the median and the spread that were asked for", () => {
  const next = sizes({ median: 100_000, sigma: 2, largest: 1e9 }, seeded(7));
  const drawn = Array.from({ length: 50_000 }, next).sort((a, b) => a - b);
  const at = (share: number) => (drawn[Math.floor(share * drawn.length)] ?? 0) / 100_000;
  expect(at(0.5)).toBeCloseTo(1, 1);
  expect(Math.log(at(0.8413))).toBeCloseTo(2, 1);
  expect(Math.max(...drawn)).toBeLessThanOrEqual(1e9);
});

test("prices are S3's", () => {
  expect(requestCost({ writes: 1e8, reads: 0 })).toBeCloseTo(500, 6);
  expect(lookCost(1e8)).toEqual({ list: expect.closeTo(0.5, 6), heads: expect.closeTo(40, 6) });
  expect(storageCost(60e12)).toBeCloseTo(50_000 * 0.023 + 10_000 * 0.022, 6);
  expect([duration(90), duration(600), duration(7_200), duration(864_000)]).toEqual([
    "90 s",
    "10 min",
    "2.0 h",
    "10.0 days",
  ]);
});
