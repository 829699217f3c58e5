import { lookCost, requestCost, storageCost } from "./prices.ts";
import { type Layout, type Outcome, RESOURCES, type World } from "./simulation.ts";

export interface Run {
  readonly layout: Layout;
  readonly outcome: Outcome;
}

/** Plain text, and Markdown at the same time. */
export function report(runs: readonly Run[], world: World, rescanPerFile: number): string {
  return [...whole(runs, world.files, rescanPerFile), "", ...table(runs), ""].join("\n");
}

/** The bucket ends up the same, whoever sends it. */
function whole([run]: readonly Run[], files: number, rescanPerFile: number): string[] {
  if (!run) return [];
  const { outcome } = run;
  const look = lookCost(files);
  return [
    `- ${count(outcome.files)} files, ${bytes(outcome.bytes)}; ${count(outcome.inParts)} of them go in parts.`,
    `- ${count(outcome.writes)} requests billed as PUT, ${count(outcome.reads)} as GET: ${dollars(requestCost(outcome))}. Storage: ${dollars(storageCost(outcome.bytes))} a month.`,
    `- Again, with nothing changed: ${duration(files * rescanPerFile)} of CPU for the ledger besides the walk, and no request.`,
    `- A tool that remembers nothing asks the bucket each time: ${dollars(look.list)} for the listing, ${dollars(look.heads)} more where it needs a HEAD for each.`,
  ];
}

function table(runs: readonly Run[]): string[] {
  const header = ["layout", "prefixes", "CPU per file", "ledger", "time", "files/s", "limited by"];
  const rows = runs.map(({ layout, outcome }) => [
    layout.name,
    String(layout.uploads),
    `${Math.round(layout.costs.cpuPerFile * 1e6)} µs`,
    bytes(outcome.ledgerBytes),
    duration(outcome.seconds),
    count(outcome.files / outcome.seconds),
    limits(outcome),
  ]);
  const line = ["---", "---:", "---:", "---:", "---:", "---:", "---"];
  return [header, line, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

function limits({ limits: shares }: Outcome): string {
  const named = RESOURCES.filter((name) => shares[name] >= 0.005).sort((a, b) => shares[b] - shares[a]);
  return named.map((name) => `${name} ${Math.round(shares[name] * 100)} %`).join(", ");
}

function count(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

function dollars(amount: number): string {
  return `$${amount >= 100 ? count(amount) : amount.toFixed(2)}`;
}

function bytes(amount: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, amount)) / 3)));
  return `${(amount / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}

export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${(seconds / 3_600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}
