// Measures how long the command line takes to start, beside a Node.js that does nothing.
//
//   npm run bench:startup -- [--runs 20]

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const pathOf = (path: string) => fileURLToPath(new URL(`../../packages/cli/${path}`, import.meta.url));
const FROM_SOURCES = [
  "--conditions=@bucketline/source",
  "--disable-warning=ExperimentalWarning",
  pathOf("src/main.ts"),
];
const BUILT = pathOf("dist/main.js");

const { values } = parseArgs({ options: { runs: { type: "string", default: "20" } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new RangeError("--runs must be a whole number, 1 or more.");

const subjects = new Map<string, readonly string[]>([["node -e 0", ["-e", "0"]]]);
if (existsSync(BUILT)) {
  subjects.set("bucketline --help, built", [BUILT, "--help"]);
  subjects.set("bucketline config, built", [BUILT, "config"]);
}
subjects.set("bucketline --help, from sources", [...FROM_SOURCES, "--help"]);

function msOf(args: readonly string[]): number {
  const begun = process.hrtime.bigint();
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore" });
  if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}.`);
  return Number(process.hrtime.bigint() - begun) / 1e6;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

const times = new Map([...subjects.keys()].map((name) => [name, [] as number[]]));
// In turns, so that whatever else the machine does strikes all of them alike.
for (let run = 0; run < runs; run++) for (const [name, args] of subjects) times.get(name)?.push(msOf(args));

const [nothing = []] = times.values();
for (const [name, taken] of times) {
  const ratio = median(taken) / median(nothing);
  process.stdout.write(
    `${name.padEnd(34)} ${median(taken).toFixed(0).padStart(5)} ms  ${ratio.toFixed(1).padStart(5)} ×\n`,
  );
}
if (!existsSync(BUILT)) process.stdout.write("The built program is measured, too, once `npm run build` has made it.\n");
