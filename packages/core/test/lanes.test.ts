import { expect, test } from "vitest";
import { Bandwidth } from "../src/bandwidth.ts";
import type { Flight } from "../src/flight.ts";
import { Lane } from "../src/lane.ts";
import { Lanes } from "../src/lanes.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { MemoryFileSystem } from "../src/testing/memory-file-system.ts";
import { file, upload } from "./support/records.ts";

const clock = new FakeClock();
const disk = new MemoryFileSystem(clock);

function board(places: number) {
  let rings = 0;
  const lanes = new Lanes(places);
  const share = new Bandwidth(clock, null).share("u");
  const lane = new Lane(upload(), { fileSystem: disk, clock, share, onWait: () => rings++ });
  lane.queue.push(file());
  lanes.add(lane);
  const launch = () => {
    let launched: Flight | undefined;
    lanes.launch(lane, async (flight) => {
      launched = flight;
    });
    return launched as Flight;
  };
  const state = () => ({ taken: lanes.taken(0), next: lanes.next(0) === lane, inFlight: lanes.inFlight });
  return { lanes, lane, launch, state, rings: () => rings };
}

test("a file that only the ledger has to record takes no place, and still counts as in flight", () => {
  const { lanes, lane, launch, state, rings } = board(2);
  const [first, second] = [launch(), launch()];
  expect(state()).toEqual({ taken: 2, next: false, inFlight: 2 });
  first.pace.records();
  first.pace.records();
  expect([state(), rings()]).toEqual([{ taken: 1, next: true, inFlight: 2 }, 1]);
  launch();
  expect(state()).toEqual({ taken: 2, next: false, inFlight: 3 });
  lanes.land(lane, first);
  lanes.land(lane, first);
  expect([state(), lane.recording]).toEqual([{ taken: 2, next: false, inFlight: 2 }, 0]);
  lanes.land(lane, second);
  expect(state()).toEqual({ taken: 1, next: true, inFlight: 1 });
});

test("no more than share one transaction wait for the ledger beyond the places", () => {
  const { launch, state } = board(2);
  for (let count = 0; count < 256; count++) launch().pace.records();
  expect(state()).toEqual({ taken: 0, next: true, inFlight: 256 });
  launch().pace.records();
  launch().pace.records();
  expect(state()).toEqual({ taken: 2, next: false, inFlight: 258 });
});

test("one that is being recorded is not asked to make room", () => {
  const { lanes, launch } = board(1);
  const flight = launch();
  const share = new Bandwidth(clock, null).share("v");
  const waiting = new Lane({ ...upload(), id: "v" }, { fileSystem: disk, clock, share, onWait: () => {} });
  lanes.add(waiting);
  const later = clock.monotonic() + 60_000;
  expect(lanes.outstaying(waiting, later)).toBe(flight);
  flight.pace.records();
  expect(lanes.outstaying(waiting, later)).toBeUndefined();
});
