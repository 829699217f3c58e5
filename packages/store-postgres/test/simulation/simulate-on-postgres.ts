import type { Plan } from "../../../core/sim/plan.ts";
import { simulate } from "../../../core/sim/simulate.ts";
import { PostgresLedger } from "./postgres-ledger.ts";
import type { SimDatabase } from "./sim-database.ts";

export interface LivedThrough {
  /** Of the object store. */
  readonly calls: number;
  /** Of the ledger. */
  readonly ledgerCalls: readonly string[];
  /** Of them, how many began while one of another process was under way. */
  readonly overlaps: number;
  /** Connections that broke at COMMIT, or were ended by the server. */
  readonly breaks: number;
  readonly outages: number;
  /** Ledger calls that failed with `STATE_UNAVAILABLE`. */
  readonly unanswered: number;
}

/** Half of the seeds. The other half is repeatable to the call, and compared with the store in memory. */
export function hasOutagesOf(seed: number): boolean {
  return seed % 4 < 2;
}

/**
 * Lives through the plan with the ledger in a schema of its own, which is dropped.
 * @throws Broken when a promise was not kept · Error when the store answered wrong
 */
export async function simulateOnPostgres(database: SimDatabase, plan: Plan, isSerial: boolean): Promise<LivedThrough> {
  const hasOutages = !isSerial || hasOutagesOf(plan.seed);
  const ledger = await PostgresLedger.open(database, { seed: plan.seed, hints: plan.hints, isSerial, hasOutages });
  try {
    const { calls } = await simulate(plan, ledger);
    ledger.check();
    const { breaks, trace, overlaps, unanswered } = ledger;
    const broken = breaks.proxy.cuts + breaks.terminations;
    return { calls, ledgerCalls: trace, overlaps, breaks: broken, outages: breaks.outages, unanswered };
  } finally {
    await ledger.close();
  }
}
