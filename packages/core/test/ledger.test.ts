import { beforeEach, describe, expect, test } from "vitest";
import { StateStoreError } from "../src/errors.ts";
import { Ledger } from "../src/ledger.ts";
import type { FileChange, StateStore } from "../src/ports/state-store.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { faulty } from "../src/testing/faulty.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";
import { file, gate, settle, upload } from "./support/records.ts";

const fresh = (number: number): FileChange => ({
  before: null,
  after: file({ path: String(number).padStart(5, "0") }),
});
const next = ({ after }: FileChange): FileChange => ({
  before: after,
  after: { ...after, revision: after.revision + 1 },
});

async function setUp() {
  const clock = new FakeClock();
  const memory = new MemoryStateStore({ clock });
  await memory.open();
  await memory.insertUpload(upload());
  const batches: string[][] = [];
  const { port, inject } = faulty<StateStore>(memory);
  inject({
    method: "commit",
    times: Number.POSITIVE_INFINITY,
    when: (changes) => {
      batches.push(changes.map(({ after }) => `${after.path}:${after.revision}`));
      return false;
    },
    before: new Error("never"),
  });
  const stop = new AbortController();
  const troubles: string[] = [];
  const ledger = new Ledger({
    state: port,
    clock,
    signal: stop.signal,
    onTrouble: (error) => troubles.push(error.code),
  });
  return { clock, memory, ledger, inject, stop, troubles, batches };
}

let bed: Awaited<ReturnType<typeof setUp>>;
beforeEach(async () => {
  bed = await setUp();
});

test("changes that come together share a commit, in their order", async () => {
  const first = fresh(1);
  const done = Promise.all([bed.ledger.offer(first), bed.ledger.offer(fresh(2)), bed.ledger.offer(next(first))]);
  await bed.clock.advance(10);
  expect(await done).toEqual(["applied", "applied", "applied"]);
  expect(bed.batches).toEqual([["00001:1", "00002:1", "00001:2"]]);
});

test("many changes go in bounded batches, none lost, none twice", async () => {
  const changes = Array.from({ length: 1_000 }, (_, index) => fresh(index));
  const done = Promise.all(changes.map((change) => bed.ledger.offer(change)));
  await bed.clock.advance(10);
  await done;
  expect(Math.max(...bed.batches.map((batch) => batch.length))).toBe(256);
  expect(bed.batches.flat()).toEqual(changes.map(({ after }) => `${after.path}:1`));
  expect((await bed.memory.counters("u")).PENDING.files).toBe(1_000);
});

test("a server out of reach: the same array is committed again, so that the store can tell what has happened", async () => {
  const asked: (readonly FileChange[])[] = [];
  bed.inject({
    method: "commit",
    times: 3,
    run: ({ args: [changes] }) => {
      asked.push(changes as readonly FileChange[]);
      throw new StateStoreError("STATE_UNAVAILABLE", "no answer");
    },
  });
  const offered = bed.ledger.offer(fresh(1));
  await bed.clock.advance(10_000);
  expect(await offered).toBe("applied");
  expect(asked).toHaveLength(3);
  expect(new Set(asked).size).toBe(1);
  expect(bed.troubles).toEqual(Array(3).fill("STATE_UNAVAILABLE"));
});

test("nothing is acknowledged before the commit has ended", async () => {
  const held = gate();
  bed.inject({ method: "commit", run: (call) => held.promise.then(call.proceed) });
  let settled = false;
  const offered = bed.ledger.offer(fresh(1)).finally(() => {
    settled = true;
  });
  await bed.clock.advance(60_000);
  expect(settled).toBe(false);
  held.open();
  expect(await offered).toBe("applied");
});

test("an overtaken change is a conflict, and a lost fence for who commits it", async () => {
  const change = fresh(1);
  await bed.memory.commit([change, next(change)]);
  const offered = bed.ledger.offer(next(change));
  const committed = expect(bed.ledger.commit(next(change))).rejects.toMatchObject({ code: "FENCE_LOST" });
  await bed.clock.advance(10);
  expect(await offered).toBe("conflict");
  await committed;
});

describe("a store in trouble", () => {
  test.each(["STATE_FULL", "STATE_BUSY"] as const)("%s is tried again until it works", async (code) => {
    const rule = bed.inject({ method: "commit", before: new StateStoreError(code, "x"), times: 5 });
    const offered = bed.ledger.offer(fresh(1));
    await bed.clock.advance(60_000);
    expect(await offered).toBe("applied");
    expect([rule.fired, bed.troubles]).toEqual([5, Array(5).fill(code)]);
  });

  test("an aborted signal ends the waiting", async () => {
    bed.inject({ method: "commit", before: new StateStoreError("STATE_FULL", "x"), times: Number.POSITIVE_INFINITY });
    const offered = expect(bed.ledger.offer(fresh(1))).rejects.toThrow("stop now");
    await bed.clock.advance(3_000);
    bed.stop.abort(new Error("stop now"));
    await offered;
    const later = expect(bed.ledger.offer(fresh(2))).rejects.toThrow("stop now");
    await bed.clock.advance(10);
    await later;
    await bed.ledger.drain();
  });

  test("any other error rejects its batch and no other", async () => {
    bed.inject({ method: "commit", before: new StateStoreError("STATE_CORRUPT", "x") });
    const failing = Promise.allSettled([bed.ledger.offer(fresh(1)), bed.ledger.commit(fresh(2))]);
    await bed.clock.advance(10);
    expect((await failing).map((end) => end.status)).toEqual(["rejected", "rejected"]);
    const offered = bed.ledger.offer(fresh(3));
    await bed.clock.advance(10);
    expect([await offered, bed.troubles]).toEqual(["applied", []]);
  });
});

test("drain waits for what was offered, also meanwhile", async () => {
  let drained = false;
  const offered = bed.ledger.offer(fresh(1)).then(() => bed.ledger.offer(fresh(2)));
  const draining = bed.ledger.drain().then(() => {
    drained = true;
  });
  await settle();
  expect(drained).toBe(false);
  await bed.clock.advance(20);
  await Promise.all([offered, draining]);
  expect((await bed.memory.counters("u")).PENDING.files).toBe(2);
  await bed.ledger.drain();
});
