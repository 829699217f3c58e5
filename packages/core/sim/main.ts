import { parseArgs } from "node:util";
import { type Plan, planOf, tell } from "./plan.ts";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "1000" }, from: { type: "string", default: "1" } },
});
const first = Number(values.from);
const count = Number(values.seeds);

async function failureOf(plan: Plan): Promise<Error | undefined> {
  try {
    await simulate(plan);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** Leaves out steps, files and processes as long as it still fails. */
async function shrink(plan: Plan): Promise<Plan> {
  let smallest = plan;
  for (let index = plan.steps.length - 1; index >= 0; index--) {
    const steps = smallest.steps.filter((_, position) => position !== index);
    const dropped = smallest.steps[index];
    const next = steps[index];
    // What comes after keeps its time.
    if (dropped && next) steps[index] = { ...next, after: next.after + dropped.after };
    const smaller = { ...smallest, steps };
    if (await failureOf(smaller)) smallest = smaller;
  }
  for (const file of plan.files) {
    const smaller = { ...smallest, files: smallest.files.filter((other) => other !== file) };
    if (await failureOf(smaller)) smallest = smaller;
  }
  return smallest;
}

let passed = 0;
let failed = 0;
let calls = 0;
for (let seed = first; seed < first + count; seed++) {
  const plan = planOf(seed);
  try {
    calls += (await simulate(plan)).calls;
    passed++;
  } catch {
    failed++;
    const smallest = await shrink(plan);
    const failure = await failureOf(smallest);
    console.error(`seed ${seed}: ${failure?.stack ?? "fails no more"}`);
    console.error(
      `  ${smallest.processes} process(es), files ${smallest.files.map(({ path, size }) => `${path} (${size})`).join(", ")}`,
    );
    for (const step of smallest.steps) console.error(`  ${tell(step)}`);
    if (failed >= 5) break;
  }
}
console.log(`sim: ${passed} passed, ${failed} failed, ${calls} calls of the object store`);
process.exitCode = failed === 0 ? 0 : 1;
