import { printable } from "../output/printable.ts";
import { count } from "../output/quantities.ts";
import { type Check, type Discovery, ok, problem, reasonOf, skipped } from "./finding.ts";
import { type LedgerExamination, openScratch, type ScratchPlace } from "./scratch-ledger.ts";

/** What a ledger's place can break: writes that survive, two processes at once, and who owns what. */
const GROUPS = ["uploads", "commit", "fence", "reopen", "two handles"];
const SHOWN = 3;

/** Runs cases that every store must pass, in scratch ledgers beside the real one. */
export const storeCheck: Check<LedgerExamination> = {
  name: "store",
  async run({ isQuick, ledger, signal }) {
    if (isQuick) return [skipped("Nothing may be written, so no scratch ledger was made.")];
    const facts = await ledger().catch(() => undefined);
    if (!facts) return [skipped("The ledger cannot be read; see above.")];
    const { place } = facts;
    if (place.kind !== "postgres" && place.path === ":memory:")
      return [skipped("A ledger in memory has no place to be tested.")];
    let scratch: ScratchPlace;
    try {
      scratch = await openScratch(place);
    } catch (error) {
      return [unusable(error)];
    }
    try {
      return [await runCases(scratch, signal, place.kind)];
    } finally {
      await scratch.remove();
    }
  },
};

async function runCases(scratch: ScratchPlace, signal: AbortSignal, kind: string): Promise<Discovery> {
  const { stateStoreCases } = await import("@bucketline/conformance");
  const all = stateStoreCases({ open: () => scratch.open() });
  const chosen = all.filter(({ name, slow }) => !slow && GROUPS.some((group) => name.startsWith(`${group}: `)));
  const failures: string[] = [];
  for (const { name, run } of chosen) {
    signal.throwIfAborted();
    try {
      await run();
    } catch (error) {
      failures.push(`${name} (${reasonOf(error)})`);
      if (failures.length === SHOWN) break;
    }
  }
  const facts = { kind, cases: chosen.length, failures };
  if (failures.length === 0) return ok(`${count(chosen.length, "case")} hold in a scratch ledger beside it.`, facts);
  const message = `The ledger's place does not keep what a ledger must: ${printable(failures.join("; "))}`;
  return problem(message, REMEDY[kind] ?? "", facts);
}

const REMEDY: Readonly<Record<string, string>> = {
  sqlite: "Put it on a local disk with room, in a folder that Bucketline's user may write.",
  json: "Put it on a local disk with room, in a folder that Bucketline's user may write.",
  postgres:
    "Grant the role CREATE on the database, and connect to the primary itself, not through a pooler of transactions.",
};

function unusable(error: unknown): Discovery {
  const message = `No scratch ledger can be made beside it: ${printable(reasonOf(error))}`;
  return problem(
    message,
    "Give Bucketline's user the right to write into that folder; the ledger itself needs it as well.",
  );
}
