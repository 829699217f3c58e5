// Kills real processes and says in one line what that led to.
//
//   npm run kills -- --count 1000 [--seed 7] [--abreast 2]
//     watched uploads of folders that keep changing, killed at every failpoint in turn, at random moments and in recovery
//   npm run kills -- --mode big --count 5 --big-mib 300 --small 2000
//     one upload of real size, killed at equal stretches of its work
//   npm run kills -- --mode transforms --count 100 [--seed 7] [--big-mib 60 --small 100]
//     uploads whose files are compressed and encrypted on their way, killed at random moments

import { parseArgs } from "node:util";
import { killBigUpload } from "./big-file.ts";
import { campaign, countWrongs, WRONGS } from "./campaign.ts";
import { killTransforms } from "./transform-kills.ts";

const MIB = 1024 * 1024;
const SHOW_EVERY = 100;
const { values } = parseArgs({
  options: {
    mode: { type: "string" },
    count: { type: "string" },
    seed: { type: "string" },
    abreast: { type: "string", default: "2" },
    "big-mib": { type: "string" },
    small: { type: "string" },
  },
});
const aSeed = () => whole("seed", values.seed ?? String((Date.now() % 999_983) + 1));
const mode = values.mode ?? (values["big-mib"] || values.small ? "big" : "failpoints");
if (mode === "big") await runBig();
else if (mode === "failpoints") await runFailpoints();
else if (mode === "transforms") await runTransforms();
else throw new Error(`--mode is "failpoints", "big" or "transforms", not ${JSON.stringify(mode)}.`);

async function runBig(): Promise<void> {
  const { count = "5", small = "2000", "big-mib": mib = "300" } = values;
  const spec = { smallFiles: whole("small", small), bigBytes: whole("big-mib", mib) * MIB };
  const { good, line } = await killBigUpload(whole("count", count), spec);
  end(good, line);
}

async function runTransforms(): Promise<void> {
  const { count = "50", small = "100", "big-mib": mib = "60" } = values;
  const spec = { smallFiles: whole("small", small), bigBytes: whole("big-mib", mib) * MIB };
  const { good, line, wrong } = await killTransforms(whole("count", count), aSeed(), spec);
  for (const path of wrong) process.stdout.write(`wrong: ${path}\n`);
  end(good, line);
}

async function runFailpoints(): Promise<void> {
  const kills = whole("count", values.count ?? "200");
  const seed = aSeed();
  process.stdout.write(`seed ${seed}; --seed ${seed} repeats the order of kills and changes\n`);
  let shown = 0;
  const onRest = (killed: number) => {
    if (killed < shown + SHOW_EVERY || killed >= kills) return;
    shown = killed;
    process.stdout.write(`${killed} of ${kills} killed\n`);
  };
  const tally = await campaign({ kills, seed, abreast: whole("abreast", values.abreast), onRest });
  for (const kind of WRONGS) for (const wrong of tally[kind]) process.stdout.write(`${kind}: ${wrong}\n`);
  const { killed, rests, failpoints, random, recovery, lost, untrue, orphans, mixed, needless } = tally;
  const reached = [...failpoints.values()].filter((times) => times > 0).length;
  const missed = [...failpoints].filter(([, times]) => times === 0).map(([name]) => name);
  end(
    countWrongs(tally) === 0 && killed === kills,
    `${killed} killed: ${killed - random - recovery} at ${reached} of ${reached + missed.length} failpoints, ` +
      `${random} at random moments, ${recovery} in recovery; ${rests} rests, ${tally.compared} files compared, ` +
      `${tally.appeared} objects seen to appear; ${lost.length} lost, ${untrue.length} untrue, ${orphans.length} orphans, ` +
      `${mixed.length} mixed, ${needless.length} sent again needlessly, ${tally.overlapped} in flight at a kill and sent again; ` +
      `seed ${seed}`,
  );
}

function end(good: boolean, line: string): void {
  process.stdout.write(`kills: ${good ? "good" : "BAD"}, ${line}\n`);
  if (!good) process.exitCode = 1;
}

function whole(name: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new Error(`--${name} takes a whole number from 1, not ${JSON.stringify(text)}.`);
  return Number(text);
}
