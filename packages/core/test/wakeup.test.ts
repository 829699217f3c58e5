import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { Wakeup } from "../src/wakeup.ts";
import { settle } from "./support/records.ts";

const never = new AbortController().signal;

function watched(promise: Promise<void>) {
  const seen = { over: false };
  void promise.then(() => {
    seen.over = true;
  });
  return seen;
}

test("a wait ends at the next ring", async () => {
  const [clock, bell] = [new FakeClock(), new Wakeup()];
  const wait = watched(bell.wait(clock, 1_000, never));
  await settle();
  expect(wait.over).toBe(false);
  bell.ring();
  await settle();
  expect(wait.over).toBe(true);
});

test("a ring while nobody waits is remembered, and several count as one", async () => {
  const [clock, bell] = [new FakeClock(), new Wakeup()];
  bell.ring();
  bell.ring();
  await bell.wait(clock, 1_000, never);
  const second = watched(bell.wait(clock, 1_000, never));
  await settle();
  expect(second.over).toBe(false);
  await clock.advance(1_000);
  expect(second.over).toBe(true);
});

test("a wait ends when its time is up; at once for no time", async () => {
  const [clock, bell] = [new FakeClock(), new Wakeup()];
  await bell.wait(clock, 0, never);
  await bell.wait(clock, -5, never);
  const wait = watched(bell.wait(clock, 50, never));
  await clock.advance(49);
  expect(wait.over).toBe(false);
  await clock.advance(1);
  expect(wait.over).toBe(true);
});

test.each([1_000, Number.POSITIVE_INFINITY])("an aborted signal ends a wait of %d without an error", async (ms) => {
  const [clock, bell, stop] = [new FakeClock(), new Wakeup(), new AbortController()];
  const wait = watched(bell.wait(clock, ms, stop.signal));
  await settle();
  expect(wait.over).toBe(false);
  stop.abort();
  await settle();
  expect([wait.over, clock.sleeping]).toEqual([true, 0]);
  await bell.wait(clock, ms, stop.signal);
});

test("a sleep that an earlier wait began serves a later one, which may end early", async () => {
  const [clock, bell] = [new FakeClock(), new Wakeup()];
  const first = bell.wait(clock, 50, never);
  bell.ring();
  await first;
  const second = watched(bell.wait(clock, 1_000, never));
  expect(clock.sleeping).toBe(1);
  await clock.advance(50);
  expect(second.over).toBe(true);
  const third = watched(bell.wait(clock, 1_000, never));
  await clock.advance(999);
  expect(third.over).toBe(false);
  await clock.advance(1);
  expect(third.over).toBe(true);
});

test("a wait ends when its own time is up, though an earlier one was given more", async () => {
  const [clock, bell] = [new FakeClock(), new Wakeup()];
  const first = bell.wait(clock, 1_000, never);
  bell.ring();
  await first;
  const second = watched(bell.wait(clock, 50, never));
  await clock.advance(50);
  expect([second.over, clock.sleeping]).toEqual([true, 0]);
});

test("a thousand waits leave one trace behind on the signal, which ends their sleep", async () => {
  const [clock, bell, stop] = [new FakeClock(), new Wakeup(), new AbortController()];
  for (let turn = 0; turn < 1_000; turn++) {
    const wait = bell.wait(clock, turn % 2 === 0 ? 1_000 : Number.POSITIVE_INFINITY, stop.signal);
    bell.ring();
    await wait;
  }
  expect([getEventListeners(stop.signal, "abort").length, clock.sleeping]).toEqual([1, 1]);
  stop.abort();
  await settle();
  expect([getEventListeners(stop.signal, "abort").length, clock.sleeping]).toEqual([0, 0]);
});
