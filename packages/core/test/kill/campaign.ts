import { FAILPOINTS } from "./failpoints.ts";
import { type Shot, schedule } from "./schedule.ts";
import { Series } from "./series.ts";
import { judgeKill, judgeRest, type Verdict, type Wrongs } from "./verdict.ts";

/** What many kills have led to. */
export interface Tally extends Verdict {
  readonly killed: number;
  /** How often the folder rested and everything was looked at. */
  readonly rests: number;
  /** How often a process killed itself at each failpoint. */
  readonly failpoints: ReadonlyMap<string, number>;
  /** How often one was killed at a random moment, and soon after its start. */
  readonly random: number;
  readonly recovery: number;
}

export interface CampaignOptions {
  readonly kills: number;
  readonly seed: number;
  /** How many series run side by side, each with its own folder, bucket and ledger. */
  readonly abreast: number;
  readonly onRest?: (killed: number) => void;
}

export const WRONGS = ["lost", "untrue", "orphans", "mixed", "needless"] as const satisfies readonly (keyof Wrongs)[];

export function countWrongs(wrongs: Wrongs): number {
  return WRONGS.reduce((sum, kind) => sum + wrongs[kind].length, 0);
}

/**
 * Kills so many processes, lets the folder rest after every few, and looks at everything then. Begins no further round
 * once something is wrong. The seed decides the order of kills and changes; what they meet is up to the machine.
 * @throws Error with the story of the round when a process did not die as it was told
 */
export async function campaign({ kills, seed, abreast, onRest }: CampaignOptions): Promise<Tally> {
  const tally = new Count();
  const rounds = schedule(kills, seed);
  let broken = false;
  const lane = async (number: number) => {
    // No "await using": Node 22 runs this from its source.
    const series = await Series.open(seed * abreast + number);
    try {
      for (const round of rounds.filter((_, index) => index % abreast === number)) {
        if (broken || countWrongs(tally) > 0) return;
        tally.add(round, await play(series, round));
        onRest?.(tally.killed);
      }
    } finally {
      await series.close();
    }
  };
  const lanes = Array.from({ length: abreast }, async (_, number) => {
    await lane(number).catch((error: unknown) => {
      broken = true;
      throw error;
    });
  });
  const ends = await Promise.allSettled(lanes);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed) throw failed.reason;
  return tally;
}

class Count implements Tally {
  killed = 0;
  rests = 0;
  random = 0;
  recovery = 0;
  compared = 0;
  appeared = 0;
  overlapped = 0;
  readonly failpoints = new Map(FAILPOINTS.map(({ name }) => [name, 0]));
  readonly lost: string[] = [];
  readonly untrue: string[] = [];
  readonly orphans: string[] = [];
  readonly mixed: string[] = [];
  readonly needless: string[] = [];

  add(round: readonly Shot[], verdict: Verdict): void {
    this.killed += round.length;
    this.rests++;
    for (const shot of round) {
      if (shot.at === "failpoint") this.failpoints.set(shot.name, (this.failpoints.get(shot.name) ?? 0) + 1);
      else if (shot.at === "recovery") this.recovery++;
      else this.random++;
    }
    for (const kind of WRONGS) this[kind].push(...verdict[kind]);
    for (const figure of ["compared", "appeared", "overlapped"] as const) this[figure] += verdict[figure];
  }
}

async function play(series: Series, round: readonly Shot[]): Promise<Verdict> {
  const begin = series.story.length;
  const tell = () => series.story.slice(begin).join("\n");
  try {
    const untrue: string[] = [];
    for (const shot of round) {
      await series.kill(shot);
      untrue.push(...(await judgeKill(series)));
    }
    const verdict = await judgeRest(series, await series.rest());
    verdict.untrue.push(...untrue);
    if (countWrongs(verdict) > 0) process.stderr.write(`${tell()}\n`);
    return verdict;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${tell()}`, { cause: error });
  }
}
