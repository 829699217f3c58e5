import { describe, expect, test } from "vitest";
import { planOf, tell } from "../sim/plan.ts";
import { simulate } from "../sim/simulate.ts";

const SEEDS = 1_000;
const PER_TEST = 100;

/** Seeds that once broke a promise, and what they showed. */
const REGRESSIONS = [
  [17, "a file queued in the instant before a death stayed behind in an upload that counted as completed"],
  [29, "the same, with two owners"],
] as const;

async function expectKept(seed: number): Promise<void> {
  const plan = planOf(seed);
  await simulate(plan).catch((error: unknown) => {
    const story = plan.steps.map((step) => `  ${tell(step)}`).join("\n");
    throw new Error(
      `seed ${seed}: ${(error as Error).message}\n${story}\nAgain: npm run sim -- --from ${seed} --seeds 1`,
    );
  });
}

describe("the simulated world keeps every promise", () => {
  test.each(REGRESSIONS)("seed %i: %s", async (seed) => {
    await expectKept(seed);
  });

  const starts = Array.from({ length: SEEDS / PER_TEST }, (_, index) => index * PER_TEST + 1);
  test.each(starts)("from seed %i", { timeout: 120_000 }, async (from) => {
    for (let seed = from; seed < from + PER_TEST; seed++) await expectKept(seed);
  });

  test.each(["delete", "move", "drop"] as const)("sources are taken away: %s", async (disposal) => {
    const plans = Array.from({ length: 60 }, (_, index) => planOf(index + 1)).filter(
      (plan) => plan.disposal === disposal,
    );
    const lives = await Promise.all(plans.map((plan) => simulate(plan)));
    const disposed = lives.reduce((sum, life) => sum + life.disposed, 0);
    expect(disposed).toBeGreaterThan(lives.length);
    expect(lives.some(({ refused }) => refused > 0)).toBe(true);
  });

  test("a plan is decided by its seed alone", async () => {
    expect(planOf(7)).toEqual(planOf(7));
    expect(planOf(7)).not.toEqual(planOf(8));
    expect(await simulate(planOf(7))).toEqual(await simulate(planOf(7)));
  });
});
