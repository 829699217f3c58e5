import { postgresForTests } from "@bucketline/postgres-sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { planOf, tell } from "../../core/sim/plan.ts";
import { SimDatabase } from "./simulation/sim-database.ts";
import { hasOutagesOf, type LivedThrough, simulateOnPostgres } from "./simulation/simulate-on-postgres.ts";

const PER_TEST = 10;
const SERIAL = [1, 11, 21, 31];
const CONCURRENT = [1_001, 1_011];

let server: Awaited<ReturnType<typeof postgresForTests>> | undefined;
let database: SimDatabase | undefined;

beforeAll(async () => {
  server = await postgresForTests();
  database = await SimDatabase.open(server.connectionString);
}, 120_000);

afterAll(async () => {
  await database?.close();
  await server?.stop();
}, 60_000);

async function lived(seed: number, isSerial: boolean): Promise<LivedThrough> {
  if (!database) throw new Error("There is no database.");
  const plan = planOf(seed, 2);
  return await simulateOnPostgres(database, plan, isSerial).catch((error: unknown) => {
    const story = plan.steps.map((step) => `  ${tell(step)}`).join("\n");
    const again = `npm run sim:postgres -- --from ${seed} --seeds 1${isSerial ? "" : " --concurrent"}`;
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${story}\nAgain: ${again}`, { cause: error });
  });
}

async function livedAll(from: number, isSerial: boolean): Promise<LivedThrough[]> {
  const all: LivedThrough[] = [];
  for (let seed = from; seed < from + PER_TEST; seed++) all.push(await lived(seed, isSerial));
  return all;
}

const sum = (all: readonly LivedThrough[], count: (one: LivedThrough) => number) =>
  all.reduce((total, one) => total + count(one), 0);

describe("two owners on one PostgreSQL keep every promise", () => {
  test.each(SERIAL)("one call at a time, from seed %i", { timeout: 120_000 }, async (from) => {
    const all = await livedAll(from, true);
    expect(sum(all, ({ breaks }) => breaks)).toBeGreaterThan(0);
    expect(sum(all, ({ overlaps }) => overlaps)).toBe(0);
  });

  test.each(CONCURRENT)("calls that overlap, from seed %i", { timeout: 120_000 }, async (from) => {
    const all = await livedAll(from, false);
    expect(sum(all, ({ breaks }) => breaks)).toBeGreaterThan(0);
    expect(sum(all, ({ overlaps }) => overlaps)).toBeGreaterThan(0);
  });

  test("a seed decides which calls are made, and in which order", { timeout: 120_000 }, async () => {
    expect(hasOutagesOf(7)).toBe(false);
    const first = await lived(7, true);
    expect(first.breaks).toBeGreaterThan(0);
    expect(first.ledgerCalls.length).toBeGreaterThan(100);
    expect(await lived(7, true)).toEqual(first);
  });
});
