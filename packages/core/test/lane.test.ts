import { expect, test } from "vitest";
import { Lane } from "../src/lane.ts";
import { file, upload } from "./support/records.ts";

test("a lane is ready when it has files or may have some, and is not held", () => {
  const lane = new Lane(upload({ priority: 7 }));
  expect([lane.priority, lane.ready(0), lane.nextLook()]).toEqual([7, true, 0]);
  lane.lookAgainIn(50, 1_000, 100);
  expect([lane.ready(149), lane.ready(150), lane.nextLook()]).toEqual([false, true, 150]);
  lane.queue.push(file());
  expect([lane.ready(100), lane.nextLook()]).toEqual([true, 0]);
  lane.heldUntil = 500;
  expect([lane.ready(499), lane.ready(500), lane.nextLook()]).toEqual([false, true, 500]);
});

test("a look is put off by a millisecond at least, by the longest delay at most", () => {
  const lane = new Lane(upload());
  const next = (delayMs: number) => {
    lane.lookAgainIn(delayMs, 1_000, 100);
    return lane.nextLook();
  };
  expect([next(-5), next(0), next(10), next(1e12)]).toEqual([101, 101, 110, 1_100]);
});

test("draining lets requests finish, aborting does not", () => {
  const [drained, aborted] = [new Lane(upload()), new Lane(upload())];
  drained.drain();
  aborted.abort();
  expect([drained.stop.drain.aborted, drained.stop.abort.aborted]).toEqual([true, false]);
  expect([aborted.stop.drain.aborted, aborted.stop.abort.aborted]).toEqual([true, true]);
});
