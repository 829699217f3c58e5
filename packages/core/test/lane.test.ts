import { expect, test } from "vitest";
import { Lane } from "../src/lane.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { MemoryFileSystem } from "../src/testing/memory-file-system.ts";
import { file, upload } from "./support/records.ts";

const disk = new MemoryFileSystem(new FakeClock());
const laneOf = (record: ReturnType<typeof upload>) => new Lane(record, disk);

test("a lane is ready when it has files or may have some, and is not held", () => {
  const lane = laneOf(upload({ priority: 7 }));
  expect([lane.priority, lane.ready(0), lane.nextLook()]).toEqual([7, true, 0]);
  lane.lookAgainIn(50, 1_000, 100);
  expect([lane.ready(149), lane.ready(150), lane.nextLook()]).toEqual([false, true, 150]);
  lane.queue.push(file());
  expect([lane.ready(100), lane.nextLook()]).toEqual([true, 0]);
  lane.heldUntil = 500;
  expect([lane.ready(499), lane.ready(500), lane.nextLook()]).toEqual([false, true, 500]);
});

test("a look is put off by a millisecond at least, by the longest delay at most", () => {
  const lane = laneOf(upload());
  const next = (delayMs: number) => {
    lane.lookAgainIn(delayMs, 1_000, 100);
    return lane.nextLook();
  };
  expect([next(-5), next(0), next(10), next(1e12)]).toEqual([101, 101, 110, 1_100]);
});

test("draining lets requests finish, aborting does not", () => {
  const [drained, aborted] = [laneOf(upload()), laneOf(upload())];
  drained.drain();
  aborted.abort();
  expect([drained.stop.drain.aborted, drained.stop.abort.aborted]).toEqual([true, false]);
  expect([aborted.stop.drain.aborted, aborted.stop.abort.aborted]).toEqual([true, true]);
});

test("while a denial is in doubt nothing new is begun, until the last flight has landed", () => {
  const lane = laneOf(upload());
  lane.queue.push(file());
  lane.denied = { code: "ACCESS_DENIED", message: "no" };
  const flight = Promise.resolve();
  lane.flying.add(flight);
  expect([lane.ready(0), lane.nextLook()]).toEqual([false, Number.POSITIVE_INFINITY]);
  lane.flying.delete(flight);
  expect(lane.ready(0)).toBe(true);
});

test("the folder is opened once; a failure is not remembered", async () => {
  const lane = laneOf(upload());
  disk.mounted = false;
  await expect(lane.root()).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  disk.mounted = true;
  expect(await lane.root()).toBe(await lane.root());
});
