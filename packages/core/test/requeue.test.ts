import { expect, test } from "vitest";
import type { FileRecord } from "../src/file.ts";
import { Ledger } from "../src/ledger.ts";
import type { StateStore } from "../src/ports/state-store.ts";
import { requeueFailed } from "../src/requeue.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { faulty } from "../src/testing/faulty.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";
import { file, Heard, upload } from "./support/records.ts";

const reason = { code: "INTEGRITY", message: "m" } as const;
const failed = (number: number, nextAttemptAt: number): FileRecord =>
  file({ path: String(number).padStart(5, "0"), state: "FAILED", reason, attempts: 5, nextAttemptAt });

async function setUp(files: readonly FileRecord[]) {
  const clock = new FakeClock();
  const memory = new MemoryStateStore({ clock });
  await memory.open();
  await memory.insertUpload(upload());
  await memory.commit(files.map((after) => ({ before: null, after })));
  const { port, inject } = faulty<StateStore>(memory);
  const ledger = new Ledger({ state: port, clock, signal: new AbortController().signal, onTrouble: () => {} });
  const heard = new Heard();
  const order: string[] = [];
  const onWork = async () => {
    order.push(`work:${(await memory.counters("u")).PENDING.files}`);
  };
  const run = async (dueBy?: number) => {
    const requeuing = requeueFailed({ state: port, ledger, emit: heard.emit }, "u", {
      now: 9,
      onWork,
      ...(dueBy === undefined ? {} : { dueBy }),
    });
    requeuing.catch(() => {});
    await clock.advance(1_000);
    return await requeuing;
  };
  return { memory, inject, heard, order, run };
}

test("every failed file is queued afresh, over several pages, and no other", async () => {
  const others = (["UPLOADED", "SKIPPED", "REMOVED", "IN_PROGRESS"] as const).map((state) =>
    file({ path: state, state, reason }),
  );
  const { memory, heard, order, run } = await setUp([
    ...Array.from({ length: 1_200 }, (_, index) => failed(index, index)),
    ...others,
  ]);
  expect(await run()).toBe(1_200);
  expect(heard.named("file:queued")).toHaveLength(1_200);
  expect(await memory.getFile("u", "00007")).toMatchObject({
    state: "PENDING",
    attempts: 0,
    nextAttemptAt: 0,
    reason: null,
  });
  const counters = await memory.counters("u");
  expect([counters.FAILED.files, counters.PENDING.files, counters.SKIPPED.files]).toEqual([0, 1_200, 1]);
  expect(order).toEqual(["work:0", "work:500", "work:1000"]);
});

test("only those whose time has come, when asked so; nothing twice", async () => {
  const { run } = await setUp([failed(1, 100), failed(2, 101)]);
  expect([await run(100), await run(100), await run(101)]).toEqual([1, 0, 1]);
});

test("no failed files, no work", async () => {
  const { order, run } = await setUp([]);
  expect([await run(), order]).toEqual([0, []]);
});

test("a file that somebody else took meanwhile is not counted and not told", async () => {
  const { memory, inject, heard, run } = await setUp([failed(1, 0), failed(2, 0)]);
  inject({
    method: "commit",
    run: async ({ proceed }) => {
      await memory.commit([{ before: failed(1, 0), after: { ...failed(1, 0), revision: 2 } }]);
      return proceed();
    },
  });
  expect([await run(), heard.named("file:queued")]).toMatchObject([1, [{ path: "00002" }]]);
});
