import { parseArgs } from "node:util";
import { postgresForTests } from "@bucketline/postgres-sandbox";
import { type Plan, planOf } from "../../../core/sim/plan.ts";
import { runSeeds } from "../../../core/sim/run-seeds.ts";
import { SimDatabase } from "./sim-database.ts";
import { simulateOnPostgres } from "./simulate-on-postgres.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    concurrent: { type: "boolean", default: false },
  },
});
const first = Number(values.from);
const isSerial = !values.concurrent;
const plans = Array.from({ length: Number(values.seeds) }, (_, index) => planOf(first + index, 2));
const total = { ledger: 0, overlaps: 0, breaks: 0, outages: 0, unanswered: 0 };

const server = await postgresForTests();
const database = await SimDatabase.open(server.connectionString);
const simulate = async (plan: Plan) => {
  const { calls, ledgerCalls, overlaps, breaks, outages, unanswered } = await simulateOnPostgres(
    database,
    plan,
    isSerial,
  );
  total.ledger += ledgerCalls.length;
  total.overlaps += overlaps;
  total.breaks += breaks;
  total.outages += outages;
  total.unanswered += unanswered;
  return { calls };
};
try {
  const { passed, failed, calls } = await runSeeds(plans, simulate, isSerial);
  const how = isSerial ? "one call at a time" : "calls overlap, not repeatable";
  console.log(`sim:postgres (two owners, ${how}): ${passed} passed, ${failed} failed`);
  const broken = `${total.breaks} broken connections, ${total.outages} outages`;
  console.log(
    `  ${calls} calls of the object store, ${total.ledger} of the ledger (${total.overlaps} met one of another owner), ${broken}, ${total.unanswered} calls unanswered`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  await database.close();
  await server.stop();
}
