import { describe, expect, test } from "vitest";
import { campaign } from "./kill/campaign.ts";
import { FAILPOINTS } from "./kill/failpoints.ts";
import { ROTATION } from "./kill/schedule.ts";
import { IN_FLIGHT } from "./kill/series.ts";

const ROTATIONS = 5;
const KILLS = ROTATIONS * ROTATION;
const SEED = 20_261_122;
const TIMEOUT_MS = 1_200_000;

// Windows has no SIGKILL: a process that ends itself so looks as if it had failed.
describe.runIf(process.platform !== "win32")("processes killed while their folder keeps changing", () => {
  test("lose nothing and claim nothing untrue, whatever they were about to do", { timeout: TIMEOUT_MS }, async () => {
    const tally = await campaign({ kills: KILLS, seed: SEED, abreast: 2 });
    const { killed, lost, untrue, orphans, mixed, needless } = tally;
    expect({ killed, lost, untrue, orphans, mixed, needless }).toEqual({
      killed: KILLS,
      lost: [],
      untrue: [],
      orphans: [],
      mixed: [],
      needless: [],
    });

    expect(tally.overlapped).toBeLessThanOrEqual(KILLS * IN_FLIGHT);

    expect(KILLS).toBeGreaterThanOrEqual(200);
    expect(tally.failpoints.size).toBe(FAILPOINTS.length);
    for (const [name, times] of tally.failpoints) expect(times, name).toBeGreaterThanOrEqual(ROTATIONS);
    expect(tally.random).toBeGreaterThan(0);
    expect(tally.recovery).toBeGreaterThan(0);
    // Otherwise there was nothing to be wrong.
    expect(tally.compared).toBeGreaterThan(KILLS / 2);
    expect(tally.appeared).toBeGreaterThan(KILLS);
  });
});
