// Several hosts share one upload; some are killed, frozen or cut off from PostgreSQL on the way. Says in one line what that
// led to, and how the throughput grows with the hosts.
//
//   npm run hosts -- [--hosts 3] [--kills 10] [--files 3000] [--big-mib 1] [--seed 7]

import { parseArgs } from "node:util";
import { campaign, countWrongs, type Outcome } from "./campaign.ts";
import { KINDS } from "./sendings.ts";
import { measureThroughput } from "./throughput.ts";
import { WRONGS } from "./verdict.ts";

const MIB = 1024 * 1024;
const FILES_PER_BIG_FILE = 50;
const THROUGHPUT = { files: 600, delayMs: 100 };

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "3" },
    kills: { type: "string", default: "10" },
    files: { type: "string", default: "3000" },
    "big-mib": { type: "string", default: "1" },
    seed: { type: "string", default: String((Date.now() % 999_983) + 1) },
  },
});
const hosts = whole("hosts");
const kills = whole("kills");
const seed = whole("seed");
const smallFiles = whole("files");

process.stdout.write(`seed ${seed}; --seed ${seed} repeats the files and the order of kills\n`);
const outcome = await campaign({
  hosts,
  kills,
  seed,
  smallFiles,
  bigFiles: Math.ceil(smallFiles / FILES_PER_BIG_FILE),
  bigBytes: whole("big-mib") * MIB,
  onProgress: (line) => process.stdout.write(`${line}\n`),
});
for (const kind of WRONGS) for (const wrong of outcome[kind]) process.stdout.write(`${kind}: ${wrong}\n`);
const good = countWrongs(outcome) === 0;
if (!good) process.stderr.write(outcome.story);
else await showThroughput();
process.stdout.write(`${lineOf(outcome, good)}\n`);
process.exitCode = good ? 0 : 1;

async function showThroughput(): Promise<void> {
  const one = await measureThroughput(1, { ...THROUGHPUT, seed });
  const all = await measureThroughput(hosts, { ...THROUGHPUT, seed });
  process.stdout.write(
    `throughput at ${THROUGHPUT.delayMs} ms per request: 1 host ${one.toFixed(0)} files/s, ` +
      `${hosts} hosts ${all.toFixed(0)} files/s: ${(all / one).toFixed(2)} times\n`,
  );
}

function lineOf(outcome: Outcome, good: boolean): string {
  const { blows, files, sendings, rescues, refused, lost, untrue, twice, orphans } = outcome;
  const kinds = KINDS.map((kind) => `${blows.filter((blow) => blow.kind === kind).length} ${kind}`);
  const shares = [...sendings.byHost].sort().map(([host, stored]) => `${host} ${stored}`);
  return (
    `hosts: ${good ? "good" : "NOT GOOD"}, ${hosts} hosts, ${blows.length} kills (${kinds.join(", ")}), ` +
    `${files} files (${shares.join(", ")}), ${rescues} files rescued, ${refused} late writes refused, ` +
    `${sendings.takenOver} multipart uploads taken over with ${sendings.partsKept} parts, ` +
    `${sendings.excused.length} sent twice with cause; ` +
    `${lost.length} lost, ${untrue.length} untrue, ${twice.length} twice without cause, ${orphans.length} orphans, seed ${seed}`
  );
}

function whole(name: keyof typeof values): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} is a whole number, 1 or more.`);
  return value;
}
