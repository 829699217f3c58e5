import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readOutcome } from "./outcome.ts";
import { keyStream, type SourceSpec } from "./source.ts";
import { Trial } from "./trial.ts";

interface Counts {
  killed: number;
  trials: number;
  objects: number;
  wrong: string[];
  multiparts: number;
  spools: number;
  /** Processes that found what a dead one had spooled, and kept it. */
  adopted: number;
}

/** Longest time for which a process may work before it is killed, in milliseconds. */
const LONGEST_MS = 2_500;

/**
 * Kills uploads whose files are compressed and encrypted on their way, at random moments, and lets each come to its end: every
 * object must be one whole output of its file, and neither the bucket nor the disk may keep anything else.
 */
export async function killTransforms(kills: number, seed: number, spec: SourceSpec) {
  const random = keyStream(`transforms ${seed}`);
  const counts: Counts = { killed: 0, trials: 0, objects: 0, wrong: [], multiparts: 0, spools: 0, adopted: 0 };
  while (counts.killed < kills) {
    await using trial = await Trial.open(spec, [], true);
    counts.trials++;
    await runTrial(trial, counts, kills, () => random(2).readUInt16LE() / 65_536);
  }
  const { killed, trials, objects, wrong, multiparts, spools, adopted } = counts;
  const line =
    `${killed} killed while files were compressed and encrypted, in ${trials} uploads; ${adopted} found spooled files of a dead process; ` +
    `${objects} objects decrypted and compared by SHA-256, ${wrong.length} wrong, ${multiparts} multipart uploads left, ` +
    `${spools} spooled files left; seed ${seed}`;
  return { good: wrong.length + multiparts + spools === 0 && objects === trials * (spec.smallFiles + 1), line, wrong };
}

async function runTrial(trial: Trial, counts: Counts, kills: number, random: () => number): Promise<void> {
  for (;;) {
    if (spooled(trial.order.spool) > 0) counts.adopted++;
    const uploader = trial.upload();
    const isLast = counts.killed >= kills;
    await Promise.race([uploader.line("started"), uploader.ended]);
    if (!isLast) await Promise.race([sleep(random() * LONGEST_MS), uploader.ended]);
    const { code, signal } = isLast ? await uploader.ended : await uploader.signal("SIGKILL");
    if (signal === "SIGKILL") counts.killed++;
    else if (code === 0) break;
    else throw new Error(`The uploader ended with ${code ?? signal}. ${uploader.errors}`);
  }
  const outcome = await readOutcome(trial);
  const { wrong, strange, disagreeing } = outcome;
  counts.objects += outcome.objects;
  counts.wrong.push(...wrong, ...strange, ...disagreeing);
  counts.multiparts += outcome.multiparts.length;
  counts.spools += spooled(trial.order.spool);
}

/** Files in the folders of all runs, whole or not. */
function spooled(folder: string | null): number {
  if (folder === null || !existsSync(folder)) return 0;
  return readdirSync(folder).reduce((files, run) => files + readdirSync(join(folder, run)).length, 0);
}
