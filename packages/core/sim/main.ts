import { parseArgs } from "node:util";
import { planOf } from "./plan.ts";
import { runSeeds } from "./run-seeds.ts";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "1000" }, from: { type: "string", default: "1" } },
});
const first = Number(values.from);
const plans = Array.from({ length: Number(values.seeds) }, (_, index) => planOf(first + index));
const { passed, failed, calls } = await runSeeds(plans, simulate);
console.log(`sim: ${passed} passed, ${failed} failed, ${calls} calls of the object store`);
process.exitCode = failed === 0 ? 0 : 1;
