import { expect, test } from "vitest";
import { InFlight } from "../src/in-flight.ts";
import { settle } from "./support/records.ts";

/** Tasks that end when they are told to. */
function tasks() {
  const ends: { resolve: () => void; reject: (reason: unknown) => void }[] = [];
  return { ends, task: () => new Promise<void>((resolve, reject) => ends.push({ resolve, reject })) };
}

test("so many tasks at once, and no more", async () => {
  const { ends, task } = tasks();
  const inFlight = new InFlight(3, undefined);
  let over = false;
  const running = inFlight
    .run(async () => {
      for (let number = 0; number < 7; number++) await inFlight.add(task);
    })
    .then(() => {
      over = true;
    });
  for (let ended = 0; ended < 7; ended++) {
    await settle();
    expect(ends.length).toBe(Math.min(7, ended + 3));
    expect(over).toBe(false);
    ends[ended]?.resolve();
  }
  await running;
});

test("the first failure stops the others, and is thrown when none is under way any more", async () => {
  const { ends, task } = tasks();
  const inFlight = new InFlight(3, undefined);
  const reason = new Error("first");
  let settled = false;
  const running = inFlight.run(async () => {
    for (;;) await inFlight.add(task);
  });
  const ended = running.catch((error: unknown) => {
    settled = true;
    return error;
  });
  await settle();
  ends[1]?.reject(reason);
  await settle();
  expect(inFlight.signal.reason).toBe(reason);
  expect([ends.length, settled]).toEqual([3, false]);
  ends[0]?.reject(new Error("second"));
  ends[2]?.resolve();
  expect(await ended).toBe(reason);
});

test("what feeds it may fail, too", async () => {
  const { ends, task } = tasks();
  const inFlight = new InFlight(3, undefined);
  const reason = new Error("no more");
  const running = inFlight.run(async () => {
    await inFlight.add(task);
    throw reason;
  });
  await settle();
  expect(inFlight.signal.aborted).toBe(true);
  ends[0]?.resolve();
  await expect(running).rejects.toBe(reason);
});

test("the caller's signal keeps new tasks from beginning, and is the reason it ends with", async () => {
  const { ends, task } = tasks();
  const stop = new AbortController();
  const inFlight = new InFlight(3, stop.signal);
  const reason = new Error("stop");
  const running = inFlight.run(async () => {
    await inFlight.add(task);
    stop.abort(reason);
    await inFlight.add(task);
  });
  const ended = expect(running).rejects.toBe(reason);
  await settle();
  ends[0]?.resolve();
  await ended;
  expect(ends.length).toBe(1);
});
