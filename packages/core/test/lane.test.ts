import { expect, test } from "vitest";
import { Bandwidth } from "../src/bandwidth.ts";
import type { Flight } from "../src/flight.ts";
import { Lane } from "../src/lane.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { MemoryFileSystem } from "../src/testing/memory-file-system.ts";
import { file, gate, settle, upload } from "./support/records.ts";

const clock = new FakeClock();
const disk = new MemoryFileSystem(clock);

function laneOf(record = upload()): Lane {
  const share = new Bandwidth(clock, null).share(record.id);
  return new Lane(record, { fileSystem: disk, clock, share, onWait: () => {} });
}

/** A file on its way, until `land` is called. */
function launch(lane: Lane): { readonly flight: Flight; readonly land: () => void } {
  const { promise, open } = gate();
  let flight: Flight | undefined;
  lane.launch((launched) => {
    flight = launched;
    return promise.finally(() => lane.flights.delete(launched));
  });
  return { flight: flight as Flight, land: open };
}

test("a lane is ready when it has files or may have some, and is not held", () => {
  const lane = laneOf(upload({ priority: 7 }));
  expect([lane.priority, lane.ready(0), lane.nextLook(0)]).toEqual([7, true, 0]);
  lane.lookAgainAt = Number.POSITIVE_INFINITY;
  lane.lookAgainIn(50, 1_000, 100);
  expect([lane.ready(149), lane.ready(150), lane.nextLook(100)]).toEqual([false, true, 150]);
  lane.queue.push(file());
  expect([lane.ready(100), lane.nextLook(100)]).toEqual([true, 0]);
  lane.heldUntil = 500;
  expect([lane.ready(499), lane.ready(500), lane.nextLook(100)]).toEqual([false, true, 500]);
});

test("a look is put off by a millisecond at least, by the longest delay at most", () => {
  const lane = laneOf();
  const next = (delayMs: number) => {
    lane.lookAgainAt = Number.POSITIVE_INFINITY;
    lane.lookAgainIn(delayMs, 1_000, 100);
    return lane.nextLook(100);
  };
  expect([next(-5), next(0), next(10), next(1e12)]).toEqual([101, 101, 110, 1_100]);
});

test("a look that somebody wants at once is not put off", () => {
  const lane = laneOf();
  lane.lookAgainIn(50, 1_000, 100);
  expect(lane.nextLook(100)).toBe(0);
});

test("draining lets requests finish, aborting does not; neither lets anything new go on", () => {
  const [drained, aborted] = [laneOf(), laneOf()];
  const signals = ({ flight }: ReturnType<typeof launch>) => [flight.stop.drain.aborted, flight.stop.abort.aborted];
  const [first, second] = [launch(drained), launch(aborted)];
  drained.drain();
  aborted.abort();
  expect([signals(first), signals(second)]).toEqual([
    [true, false],
    [true, true],
  ]);
  expect([signals(launch(drained)), signals(launch(aborted))]).toEqual([
    [true, false],
    [true, true],
  ]);
  expect([drained.isAborted, aborted.isAborted]).toEqual([false, true]);
});

test("while a denial is in doubt nothing new is begun, until the last flight has landed", async () => {
  const lane = laneOf();
  lane.queue.push(file());
  lane.denied = { code: "ACCESS_DENIED", message: "no" };
  const { land } = launch(lane);
  expect([lane.ready(0), lane.nextLook(0)]).toEqual([false, Number.POSITIVE_INFINITY]);
  land();
  await lane.landed();
  expect(lane.ready(0)).toBe(true);
});

test("outside the hours a lane is looked at once nothing is in flight; inside, it goes on", async () => {
  const lane = laneOf();
  const { flight, land } = launch(lane);
  lane.close();
  expect([lane.isOpen, lane.ready(0), flight.stop.drain.aborted]).toEqual([false, false, true]);
  land();
  await lane.landed();
  expect(lane.ready(0)).toBe(true);
  lane.lookAgainAt = Number.POSITIVE_INFINITY;
  lane.open();
  expect([lane.isOpen, lane.ready(0)]).toEqual([true, true]);
  expect(launch(lane).flight.stop.drain.aborted).toBe(false);
});

test("an older record of the upload says nothing", () => {
  const record = upload({ priority: 1 });
  const lane = laneOf({ ...record, revision: 5 });
  lane.follow({ ...record, revision: 4, spec: { ...record.spec, priority: 9 } });
  expect(lane.priority).toBe(1);
  lane.follow({ ...record, revision: 6, spec: { ...record.spec, priority: 9 } });
  expect([lane.priority, lane.share.priority]).toEqual([9, 9]);
});

test("while its bandwidth is spent, a lane begins no third file", async () => {
  const lane = laneOf(upload({ bandwidthLimit: 10 }));
  lane.queue.push(file());
  await launch(lane).flight.pace.take(100);
  expect(lane.ready(clock.monotonic())).toBe(true);
  launch(lane);
  expect(lane.ready(clock.monotonic())).toBe(false);
  expect(lane.nextLook(clock.monotonic()) - clock.monotonic()).toBe(9_000);
  await clock.advance(9_000);
  expect(lane.ready(clock.monotonic())).toBe(true);
});

test("a flight that waits for its upload's own bandwidth is parked, one that waits for the service's is not", async () => {
  const parked = async (service: number | null, own: number | null) => {
    const record = upload({ bandwidthLimit: own });
    const share = new Bandwidth(clock, service).share(record.id);
    let waits = 0;
    const lane = new Lane(record, { fileSystem: disk, clock, share, onWait: () => waits++ });
    const { flight } = launch(lane);
    await flight.pace.take(100);
    const waiting = flight.pace.take(100);
    await settle(1);
    const result = [flight.isParked(clock.monotonic()), waits];
    lane.abort();
    await expect(waiting).rejects.toBe(flight.stop.drain.reason);
    return result;
  };
  expect([await parked(null, 10), await parked(10, null)]).toEqual([
    [true, 1],
    [false, 1],
  ]);
});

test("a flight whose source does not answer for five seconds is parked until it does", async () => {
  disk.write("f", Buffer.from("abc"));
  const { promise: hung, open: answer } = gate();
  const slow: typeof disk.openRoot = async (path) => {
    const root = await disk.openRoot(path);
    const open: typeof root.open = async (file) => {
      const handle = await root.open(file);
      return { ...handle, read: (target, position) => hung.then(() => handle.read(target, position)) };
    };
    return { ...root, open };
  };
  const share = new Bandwidth(clock, null).share("u");
  const lane = new Lane(upload(), { fileSystem: { openRoot: slow }, clock, share, onWait: () => {} });
  const { flight } = launch(lane);
  const handle = await (await flight.root()).open("f");
  const isParked = () => flight.isParked(clock.monotonic());
  await clock.advance(10_000);
  expect(isParked()).toBe(false);
  const read = handle.read(Buffer.alloc(3), 0);
  await clock.advance(4_999);
  expect([isParked(), flight.parksAt - clock.monotonic()]).toEqual([false, 1]);
  await clock.advance(1);
  expect(isParked()).toBe(true);
  answer();
  expect(await read).toBe(3);
  expect([isParked(), flight.parksAt]).toEqual([false, Number.POSITIVE_INFINITY]);
});

test("the folder is opened once; a failure is not remembered", async () => {
  const lane = laneOf();
  disk.mounted = false;
  await expect(lane.root()).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  disk.mounted = true;
  expect(await lane.root()).toBe(await lane.root());
});
