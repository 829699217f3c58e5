// Simulates very many files on ever larger layouts, with what a row of the ledger costs as measured here and now.
//
//   npm run bench:scaling -- [--files 100000000] [--rows 20000]

import { parseArgs } from "node:util";
import { type MeasuredCosts, measureCosts } from "./measure.ts";
import { type Run, report } from "./report.ts";
import { type Layout, simulate, type World } from "./simulation.ts";

const USAGE = `npm run bench:scaling -- [options]

  --files 100000000     files to simulate
  --rows 20000          rows with which each ledger is measured first
  --cpu-per-file 200    µs of CPU that a small file costs besides its ledger, see "npm run bench -- small"
  --cpu-per-gib 1.7     seconds of CPU per GiB, see "npm run bench -- large"
  --latency 30          milliseconds until S3 answers
  --network 1250        MB per second of one host
  --requests 64         requests of one host under way at once
  --seed 1
`;

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "100000000" },
    rows: { type: "string", default: "20000" },
    "cpu-per-file": { type: "string", default: "200" },
    "cpu-per-gib": { type: "string", default: "1.7" },
    latency: { type: "string", default: "30" },
    network: { type: "string", default: "1250" },
    requests: { type: "string", default: "64" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", short: "h" },
  },
});

function number(name: Exclude<keyof typeof values, "help">): number {
  const value = Number(values[name]);
  if (Number.isFinite(value) && value > 0) return value;
  process.stderr.write(`--${name} takes a number above 0.\n\n${USAGE}`);
  process.exit(2);
}

function layouts({ sqlite, postgres }: MeasuredCosts): Layout[] {
  const one = { name: "one host, SQLite", hosts: 1, uploads: 1, databases: 0, costs: sqlite };
  const split = { ...one, name: "one host, SQLite", uploads: 8 };
  const apart = { name: "8 hosts, each with its own SQLite", hosts: 8, uploads: 32, databases: 0, costs: sqlite };
  if (!postgres) return [one, split, apart];
  const together = { name: "4 hosts, one PostgreSQL", hosts: 4, uploads: 1, databases: 1, costs: postgres };
  const spread = { ...together, name: "4 hosts, one PostgreSQL", uploads: 16 };
  const large = { ...spread, name: "32 hosts, 8 PostgreSQL", hosts: 32, uploads: 64, databases: 8 };
  return [one, split, apart, together, spread, large];
}

if (values.help) process.stdout.write(USAGE);
else {
  const world: World = {
    files: Math.round(number("files")),
    mix: { median: 100_000, sigma: 1.8, largest: 100 * 2 ** 30 },
    seed: number("seed"),
    chunkSize: 5 * 2 ** 20,
    cores: 1,
    databaseCores: 8,
    network: number("network") * 1e6,
    requests: number("requests"),
    latency: number("latency") / 1000,
    connection: 50e6,
    writesPerPrefix: 3_500,
    failing: 0.001,
  };
  const transfer = { perFile: number("cpu-per-file") * 1e-6, perByte: number("cpu-per-gib") / 2 ** 30 };
  const costs = await measureCosts(Math.round(number("rows")), transfer);
  if (!costs.postgres) process.stderr.write("PostgreSQL cannot be measured here: its layouts are left out.\n");
  const runs: Run[] = [];
  for (const layout of layouts(costs)) {
    process.stderr.write(`${layout.name}, ${layout.uploads} prefixes …\n`);
    runs.push({ layout, outcome: simulate(layout, world) });
  }
  process.stdout.write(`\n${report(runs, world, costs.rescanPerFile)}`);
}
