import { Dice } from "../support/random.ts";
import { FAILPOINTS, type Failpoint } from "./failpoints.ts";

/** One kill: by itself at the nth time it comes by a failpoint, or from outside so long after a stage of its start. */
export type Shot =
  | { readonly at: "failpoint"; readonly name: string; readonly nth: number }
  | { readonly at: "random moment" | "recovery"; readonly afterMs: number };

/** Kills between two rests of the folder. */
const ROUND = 10;
const RANDOM_PER_ROTATION = 4;
const RECOVERIES_PER_ROTATION = 3;
const LATEST_MS = 400;
const LATEST_IN_RECOVERY_MS = 80;
/** Leaves a file in the dead process's hands, so that there is something to rescue. */
const HOLDER = "after open";

/** So many kills in rounds: every failpoint at least once per rotation, in an order that the seed decides. */
export function schedule(count: number, seed: number): Shot[][] {
  const dice = new Dice(seed);
  const shots: Shot[] = [];
  while (shots.length < count) shots.push(...rotation(dice).flat());
  const rounds: Shot[][] = [];
  for (const shot of shots.slice(0, count)) {
    const last = rounds.at(-1);
    if (last && (last.length < ROUND || isRescue(shot))) last.push(shot);
    else rounds.push([shot]);
  }
  return rounds;
}

/** Shots that must follow each other are together. */
function rotation(dice: Dice): Shot[][] {
  const groups: Shot[][] = [];
  for (const failpoint of FAILPOINTS) {
    const shot = aim(failpoint.name, dice.chance(0.6) ? 1 : dice.int(1, latest(failpoint)));
    if (isRescue(shot)) groups.push([aim(HOLDER, 1), shot]);
    else if (failpoint.name !== HOLDER) groups.push([shot]);
  }
  for (let i = 0; i < RANDOM_PER_ROTATION; i++) groups.push([{ at: "random moment", afterMs: dice.int(0, LATEST_MS) }]);
  for (let i = 0; i < RECOVERIES_PER_ROTATION; i++)
    groups.push([{ at: "recovery", afterMs: dice.int(0, LATEST_IN_RECOVERY_MS) }]);
  for (let left = groups.length; left > 1; left--) {
    const other = dice.int(0, left - 1);
    [groups[left - 1], groups[other]] = [groups[other] as Shot[], groups[left - 1] as Shot[]];
  }
  return groups;
}

/** How many kills it takes to come by every failpoint once. */
export const ROTATION = rotation(new Dice(1)).flat().length;

function aim(name: string, nth: number): Shot {
  return { at: "failpoint", name, nth };
}

/** The largest nth: what happens seldom is not waited for often. A process rescues once, at its start. */
function latest({ point }: Failpoint): number {
  if (point.method === "rescue") return 1;
  return point.needs === "calm" || point.needs === "disturbed" ? 2 : 4;
}

function isRescue(shot: Shot): boolean {
  return shot.at === "failpoint" && shot.name.endsWith(" rescue");
}
