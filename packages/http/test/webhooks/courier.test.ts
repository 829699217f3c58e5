import { type Notice, StateStoreError } from "@bucketline/core";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { type Call, CourierWorld, HOUR, SECOND } from "../support/courier-world.ts";
import { SECRET } from "../support/receiver.ts";

const idsOf = (world: CourierWorld) => world.calls.map(({ id }) => id);

test("a notice is gone once the receiver has answered 2xx, and not before", async () => {
  const world = new CourierWorld();
  world.add("n1");
  world.courier();
  await world.turn();
  expect(idsOf(world)).toEqual(["n1"]);
  expect(world.notices).toMatchObject([{ id: "n1", state: "DUE", attempts: 1 }]);
  world.call(0).answer(204);
  await world.turn();
  expect(world.notices).toEqual([]);
  expect(world.deliveries).toEqual([{ webhook: "ops", outcome: "delivered", seconds: 0 }]);
});

test("what fails is sent again by the schedule, the same under a signature of its own time, and dead after the tenth", async () => {
  const world = new CourierWorld();
  world.add("n1");
  const courier = world.courier();
  const begun = world.clock.now();
  await world.turn();
  for (let attempt = 1; attempt < 10; attempt++) {
    if (attempt % 2) world.call(-1).answer(500);
    else world.call(-1).fail("ECONNREFUSED");
    await world.turn();
    expect(world.notices).toMatchObject([{ state: "DUE", attempts: attempt }]);
    while (world.calls.length === attempt) await world.clock.tick(HOUR);
  }
  expect(world.calls.map(({ at }) => (at - begun) / SECOND)).toEqual([
    0, 5, 305, 2105, 9305, 27_305, 63_305, 113_705, 185_705, 272_105,
  ]);
  expect(new Set(world.calls.map(({ body }) => body)).size).toBe(1);
  const stamps = world.calls.map(({ headers }) => Number(headers["webhook-timestamp"]));
  expect(stamps).toEqual(world.calls.map(({ at }) => at / SECOND));
  const signature = ({ id, at, body }: Call) => new Webhook(SECRET).sign(id, new Date(at), body);
  expect(world.calls.map(({ headers }) => headers["webhook-signature"])).toEqual(world.calls.map(signature));
  world.call(-1).answer(404);
  await world.turn();
  const reason = { code: "NOTICE_UNDELIVERED", message: "Webhook ops answered 404." };
  expect(world.notices).toMatchObject([{ state: "DEAD", attempts: 10, reason }]);
  expect(world.deliveries.map(({ outcome }) => outcome)).toEqual([...new Array(9).fill("retrying"), "dead"]);
  expect(courier.latest).toEqual({ deliveredAt: null, failedAt: world.clock.now(), failure: reason });
  await world.turn(48 * HOUR);
  expect(world.calls).toHaveLength(10);
});

test("what is dead and retried is delivered, as if it were new", async () => {
  const world = new CourierWorld();
  world.add("n1");
  world.courier();
  await world.turn();
  world.call(0).answer(410);
  await world.turn();
  const [dead] = world.notices;
  expect(dead).toMatchObject({
    state: "DEAD",
    attempts: 1,
    reason: { message: "Webhook ops answered 410: it wants to hear no more of this." },
  });
  world.ledger.apply({ notice: { ...(dead as Notice), state: "DUE", attempts: 0, nextAttemptAt: 0, revision: 9 } });
  await world.turn(15 * SECOND);
  expect(idsOf(world)).toEqual(["n1", "n1"]);
  world.call(1).answer(200);
  await world.turn();
  expect(world.notices).toEqual([]);
});

test.each([429, 503])(
  "a receiver that answers %d with Retry-After is left alone for so long, by all notices",
  async (status) => {
    const world = new CourierWorld();
    for (const id of ["n1", "n2"]) world.add(id);
    const courier = world.courier({ concurrency: 1 });
    await world.turn();
    world.call(0).answer(status, { "retry-after": "120" });
    await world.turn();
    expect(courier.heldUntil).toBe(world.clock.now() + 120 * SECOND);
    await world.turn(119 * SECOND);
    expect(idsOf(world)).toEqual(["n1"]);
    await world.turn(1 * SECOND);
    expect(idsOf(world)).toHaveLength(2);
    expect(courier.heldUntil).toBe(null);
    world.call(1).answer(200);
    await world.turn();
    world.call(2).answer(200);
    await world.turn();
    expect(world.notices).toEqual([]);
  },
);

test("Retry-After of any other status, or of a year, is not obeyed", async () => {
  const world = new CourierWorld();
  world.add("n1");
  const courier = world.courier();
  await world.turn();
  world.call(0).answer(500, { "retry-after": "3600" });
  await world.turn(5 * SECOND);
  expect(world.calls).toHaveLength(2);
  world.call(1).answer(429, { "retry-after": String(365 * 24 * 3600) });
  await world.turn();
  expect(courier.heldUntil).toBe(world.clock.now() + 24 * HOUR);
});

test("a test message that arrives ends the hold", async () => {
  const world = new CourierWorld();
  world.add("n1");
  const courier = world.courier();
  await world.turn();
  world.call(0).answer(429, { "retry-after": "7200" });
  await world.turn();
  world.add("n2");
  await world.turn(HOUR);
  expect(idsOf(world)).toEqual(["n1"]);
  const outcome = courier.test({ id: "t1", body: "{}" });
  await world.turn();
  world.call(1).answer(200);
  expect(await outcome).toMatchObject({ result: "delivered", status: 200 });
  await world.turn();
  expect(idsOf(world)).toEqual(["n1", "t1", "n2"]);
});

test("goes roughly in order, no more at once than it may, and one at a time while nothing succeeds", async () => {
  const world = new CourierWorld();
  for (const id of ["n1", "n2", "n3", "n4", "n5", "n6"]) world.add(id);
  const courier = world.courier({ concurrency: 3 });
  await world.turn();
  expect(idsOf(world)).toEqual(["n1", "n2", "n3"]);
  expect(courier.inFlight).toBe(3);
  world.call(1).answer(200);
  await world.turn();
  expect(idsOf(world)).toEqual(["n1", "n2", "n3", "n4"]);
  for (const index of [0, 2, 3]) world.call(index).answer(500);
  await world.turn();
  expect(idsOf(world).slice(4)).toEqual(["n5"]);
  world.call(4).answer(200);
  await world.turn();
  expect(idsOf(world).slice(5)).toEqual(["n6"]);
});

test("a receiver that is down is not stormed by all that waits for it, and gets it at full speed once it is back", async () => {
  const world = new CourierWorld();
  for (let index = 100; index < 160; index++) world.add(`n${index}`);
  const courier = world.courier();
  const begun = world.clock.now();
  let isDown = true;
  let answered = 0;
  const answer = async () => {
    await world.turn();
    while (answered < world.calls.length) {
      if (isDown) world.call(answered).fail("ECONNREFUSED");
      else world.call(answered).answer(200);
      answered++;
      await world.turn();
    }
  };
  while (world.clock.now() < begun + 600 * SECOND) {
    await answer();
    await world.turn(1 * SECOND);
  }
  expect(world.calls.length).toBeGreaterThan(10);
  expect(world.calls.length).toBeLessThan(25);
  expect((courier.heldUntil ?? 0) - world.clock.now()).toBeLessThanOrEqual(60 * SECOND);
  isDown = false;
  for (let second = 0; second < 62; second++) {
    await world.turn(1 * SECOND);
    await answer();
  }
  expect(world.notices.filter(({ attempts }) => attempts === 0)).toEqual([]);
});

test("a receiver that does not answer in time has failed", async () => {
  const world = new CourierWorld();
  world.add("n1");
  world.courier({ timeout: 3 * SECOND });
  await world.turn(2 * SECOND);
  expect(world.notices).toMatchObject([{ attempts: 1, reason: null }]);
  await world.turn(1 * SECOND);
  expect(world.notices).toMatchObject([{ reason: { message: "Webhook ops did not answer within 3000 ms." } }]);
  expect(world.deliveries).toEqual([{ webhook: "ops", outcome: "retrying", seconds: 3 }]);
});

test("the status alone counts: a body that hangs, breaks off or never ends changes nothing", async () => {
  const world = new CourierWorld();
  for (const id of ["n1", "n2", "n3"]) world.add(id);
  world.courier();
  await world.turn();
  let chunks = 0;
  const endless = {
    pull: (c: ReadableStreamDefaultController) => {
      chunks++;
      c.enqueue(new Uint8Array(1024));
    },
  };
  world.call(0).answer(200, {}, new ReadableStream(endless));
  world.call(1).answer(200, {}, new ReadableStream({ pull: (c) => c.error(new Error("reset")) }));
  world.call(2).answer(500, {}, new ReadableStream(endless));
  await world.turn();
  expect(chunks).toBeLessThan(20);
  expect(world.notices).toMatchObject([{ id: "n3", reason: { message: "Webhook ops answered 500." } }]);
});

test("of two processes on one ledger one delivers each notice", async () => {
  const world = new CourierWorld();
  for (let index = 10; index < 50; index++) world.add(`n${index}`);
  for (let process = 0; process < 2; process++) world.courier({ concurrency: 10 });
  for (let index = 0; index < 40; index++) {
    await world.turn();
    world.call(index).answer(200);
  }
  await world.turn(60 * SECOND);
  expect(idsOf(world).toSorted()).toEqual([...new Set(idsOf(world))].toSorted());
  expect(world.calls).toHaveLength(40);
  expect(world.notices).toEqual([]);
});

test("what a process had claimed when it died is delivered by another once the claim is over, under the same id", async () => {
  const world = new CourierWorld();
  world.add("n1");
  world.courier();
  await world.turn();
  // The first process is never heard of again: its ledger takes nothing from it.
  world.faults[0]?.({ method: "updateNotice", hang: "before", times: Number.POSITIVE_INFINITY });
  world.faults[0]?.({ method: "dueNotices", hang: "before", times: Number.POSITIVE_INFINITY });
  world.courier();
  await world.turn(24 * SECOND);
  expect(idsOf(world)).toEqual(["n1"]);
  await world.turn(15 * SECOND);
  expect(idsOf(world)).toEqual(["n1", "n1"]);
  expect(world.notices).toMatchObject([{ attempts: 2 }]);
  world.call(1).answer(200);
  await world.turn();
  expect(world.notices).toEqual([]);
});

test("a ledger that is busy for a moment costs no second delivery", async () => {
  const world = new CourierWorld();
  world.add("n1");
  world.courier();
  await world.turn();
  world.faults[0]?.({ method: "updateNotice", before: () => new StateStoreError("STATE_BUSY", "busy"), times: 3 });
  world.call(0).answer(200);
  await world.turn(3 * SECOND);
  expect(world.notices).toEqual([]);
  await world.turn(HOUR);
  expect(world.calls).toHaveLength(1);
});

test("while the ledger cannot be used nothing is sent; then it goes on", async () => {
  const world = new CourierWorld();
  world.courier();
  await world.turn();
  world.faults[0]?.({ method: "dueNotices", before: () => new StateStoreError("STATE_BUSY", "busy"), times: 3 });
  world.add("n1");
  await world.turn(20 * SECOND);
  expect(world.calls).toEqual([]);
  expect(world.logged.length).toBeGreaterThan(0);
  await world.turn(20 * SECOND);
  expect(idsOf(world)).toEqual(["n1"]);
});

test("when it is stopped, what is in flight may end for a moment; the rest is due at once for whoever comes next", async () => {
  const world = new CourierWorld();
  for (const id of ["n1", "n2", "n3"]) world.add(id);
  const courier = world.courier({ concurrency: 2 });
  await world.turn();
  const stopped = courier.stop();
  await world.turn(1 * SECOND);
  world.call(0).answer(200);
  await world.turn(1 * SECOND);
  await stopped;
  expect(world.notices).toMatchObject([
    { id: "n2", attempts: 1, reason: { message: "The service stopped before webhook ops had answered." } },
    { id: "n3", attempts: 0, reason: null },
  ]);
  expect(world.notices.every(({ nextAttemptAt }) => nextAttemptAt <= world.clock.now())).toBe(true);
  expect(world.calls).toHaveLength(2);
  expect(world.deliveries).toHaveLength(1);
  world.courier();
  await world.turn();
  expect(idsOf(world).slice(2).toSorted()).toEqual(["n2", "n3"]);
});

test("neither URL nor secret stands in what is logged or recorded", async () => {
  const world = new CourierWorld();
  world.add("n1");
  world.courier({ url: "https://ops.example/hook?key=hidden" });
  await world.turn();
  expect(world.call(0).url).toBe("https://ops.example/hook?key=hidden");
  world.call(0).fail("ENOTFOUND");
  await world.turn();
  expect(world.notices).toMatchObject([{ reason: { message: "Webhook ops cannot be reached (ENOTFOUND)." } }]);
  expect(world.logged).toHaveLength(1);
  expect(JSON.stringify([world.notices, world.logged])).not.toMatch(/hidden|ops\.example|whsec|MDEyMzQ1/);
});
