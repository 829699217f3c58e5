import { expect, test } from "vitest";
import { Lease } from "../src/lease.ts";
import type { StateStore } from "../src/ports/state-store.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { faulty } from "../src/testing/faulty.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";
import { gate } from "./support/records.ts";

const NEVER = new AbortController().signal;

async function setUp(onBeat: () => Promise<void> = async () => {}) {
  const clock = new FakeClock();
  const memory = new MemoryStateStore({ clock });
  await memory.open();
  const { port, inject } = faulty<StateStore>(memory);
  const troubles: unknown[] = [];
  const lapses: number[] = [];
  const lease = new Lease({
    state: port,
    clock,
    owner: "me",
    leaseMs: 30_000,
    onBeat,
    onTrouble: (error) => troubles.push(error),
    onLapse: () => lapses.push(clock.monotonic()),
  });
  const alive = () => (memory.state.leases.get("me") ?? 0) > clock.monotonic();
  return { clock, memory, inject, lease, troubles, lapses, alive };
}

test("the owner is alive once start has resolved, and never stops being so", async () => {
  const { clock, lease, alive } = await setUp();
  await lease.start();
  for (let second = 0; second < 200; second++) {
    expect(alive()).toBe(true);
    await clock.advance(1_000);
  }
  await lease.stop(NEVER);
  expect([alive(), clock.sleeping]).toEqual([false, 0]);
});

test("a beat that takes for ever keeps no sign of life back, and is not begun twice", async () => {
  const held = gate();
  let beats = 0;
  const { clock, lease, alive } = await setUp(() => {
    beats++;
    return held.promise;
  });
  await lease.start();
  await clock.advance(300_000);
  expect([alive(), beats]).toEqual([true, 1]);
  held.open();
  await clock.advance(10_000);
  expect(beats).toBe(2);
  await lease.stop(NEVER);
});

test("stop waits for the beat under way before it gives the lease up", async () => {
  const held = gate();
  const { clock, memory, lease } = await setUp(() => held.promise);
  await lease.start();
  await clock.advance(10_000);
  const stopping = lease.stop(NEVER);
  await clock.advance(0);
  expect(memory.state.leases.has("me")).toBe(true);
  held.open();
  await stopping;
  expect(memory.state.leases.has("me")).toBe(false);
});

test("trouble is told, and the next beat tries again", async () => {
  const failures = [new Error("beat")];
  const { clock, lease, inject, troubles, alive } = await setUp(async () => {
    const failure = failures.pop();
    if (failure) throw failure;
  });
  await lease.start();
  inject({ method: "heartbeat", before: new Error("heart") });
  await clock.advance(20_000);
  expect(troubles.map((error) => (error as Error).message)).toEqual(["heart", "beat"]);
  await clock.advance(100_000);
  expect([alive(), troubles.length]).toEqual([true, 2]);
  await lease.stop(NEVER);
});

test("a store that is down at the start is said at once", async () => {
  const { lease, inject } = await setUp();
  inject({ method: "heartbeat", before: new Error("down") });
  await expect(lease.start()).rejects.toThrow("down");
});

test.each(["fails", "hangs"])(
  "an owner whose heartbeat %s knows when its lease has run out, and when it is heard again",
  async (how) => {
    const { clock, lease, inject, lapses, alive } = await setUp();
    await lease.start();
    const deaf = inject(
      how === "fails"
        ? { method: "heartbeat", times: 4, before: new Error("away") }
        : { method: "heartbeat", run: () => clock.sleep(45_000).then(() => Promise.reject(new Error("away"))) },
    );
    await clock.advance(29_999);
    expect([lease.isValid, lapses]).toEqual([true, []]);
    await clock.advance(10_001);
    expect([deaf.fired > 0, lease.isValid, alive(), lapses]).toEqual([true, false, false, [30_000]]);
    await clock.advance(60_000);
    expect([lease.isValid, alive(), lapses.length]).toEqual([true, true, 1]);
    await lease.stop(NEVER);
  },
);

test("a sign of life that is answered while the lease ends looks after nothing any more", async () => {
  const held = gate();
  let beats = 0;
  const { clock, lease, inject } = await setUp(async () => {
    beats++;
  });
  await lease.start();
  inject({ method: "heartbeat", run: async ({ proceed }) => held.promise.then(proceed) });
  await clock.advance(10_000);
  const stopping = lease.stop(NEVER);
  held.open();
  await stopping;
  await clock.advance(0);
  expect(beats).toBe(0);
});
