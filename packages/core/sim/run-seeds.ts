import { type Plan, tell } from "./plan.ts";

/** Lives through a plan. @throws when a promise was not kept */
export type Simulate = (plan: Plan) => Promise<{ readonly calls: number }>;

const MOST_FAILURES = 5;

/**
 * Runs many plans one after another, tells the shrunken story of each that fails, and gives up after five.
 * @param isRepeatable whether a plan that failed once fails again, and can be shrunken
 */
export async function runSeeds(
  plans: Iterable<Plan>,
  simulate: Simulate,
  isRepeatable = true,
): Promise<{ readonly passed: number; readonly failed: number; readonly calls: number }> {
  let passed = 0;
  let failed = 0;
  let calls = 0;
  for (const plan of plans) {
    try {
      calls += (await simulate(plan)).calls;
      passed++;
    } catch (error) {
      failed++;
      const smallest = isRepeatable ? await shrink(plan, simulate) : plan;
      const failure = isRepeatable ? await failureOf(smallest, simulate) : error;
      report(smallest, failure);
      if (failed >= MOST_FAILURES) break;
    }
  }
  return { passed, failed, calls };
}

function report(plan: Plan, failure: unknown): void {
  const what = failure === undefined ? "fails no more" : failure instanceof Error ? failure.stack : String(failure);
  console.error(`seed ${plan.seed}: ${what}`);
  const files = plan.files.map(({ path, size }) => `${path} (${size})`).join(", ");
  const { processes, pipeline, disposal, movesFail } = plan;
  console.error(
    `  ${processes} process(es), pipeline ${pipeline}, sources ${disposal}${movesFail ? " (failing)" : ""}, files ${files}`,
  );
  for (const step of plan.steps) console.error(`  ${tell(step)}`);
}

async function failureOf(plan: Plan, simulate: Simulate): Promise<unknown> {
  try {
    await simulate(plan);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Leaves out steps and files as long as it still fails. */
async function shrink(plan: Plan, simulate: Simulate): Promise<Plan> {
  let smallest = plan;
  for (let index = plan.steps.length - 1; index >= 0; index--) {
    const steps = smallest.steps.filter((_, position) => position !== index);
    const dropped = smallest.steps[index];
    const next = steps[index];
    // What comes after keeps its time.
    if (dropped && next) steps[index] = { ...next, after: next.after + dropped.after };
    const smaller = { ...smallest, steps };
    if (await failureOf(smaller, simulate)) smallest = smaller;
  }
  for (const file of plan.files) {
    const smaller = { ...smallest, files: smallest.files.filter((other) => other !== file) };
    if (await failureOf(smaller, simulate)) smallest = smaller;
  }
  return smallest;
}
