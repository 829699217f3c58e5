import { describe, expect, test } from "vitest";
import { type DeadlineOptions, withDeadlines } from "../src/decorators/deadline.ts";
import type { ObjectStore } from "../src/ports/object-store.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { type FaultRule, faulty } from "../src/testing/faulty.ts";
import { MemoryObjectStore } from "../src/testing/memory-object-store.ts";

const body = new Uint8Array(10);
const put = { bucket: "b", key: "k", body, checksum: "crc32:e38a6876", settings: {}, token: "t" } as const;
const forever = () => new Promise<never>(() => {});

function setUp(rules: FaultRule<ObjectStore>[] = [], options: Partial<DeadlineOptions> = {}) {
  const clock = new FakeClock();
  const memory = new MemoryObjectStore({ buckets: ["b"], capabilities: { minPartSize: 1 }, clock });
  const { port, inject } = faulty<ObjectStore>(memory, rules, { clock });
  const store = withDeadlines(port, { clock, baseMs: 1000, minBytesPerSecond: 10, completeMs: 5000, ...options });
  return { clock, memory, store, inject };
}

/** How a call that never ends inside is ended outside, and when. */
async function endOf(clock: FakeClock, call: Promise<unknown>): Promise<{ error: unknown; afterMs: number }> {
  const begin = clock.monotonic();
  let error: unknown;
  call.catch((reason: unknown) => {
    error = reason;
  });
  for (let turn = 0; error === undefined && turn < 1000; turn++) await clock.advance(100);
  return { error, afterMs: clock.monotonic() - begin };
}

describe("withDeadlines", () => {
  test("a call without a body has the base time, and is not ambiguous when it reads", async () => {
    const { clock, store } = setUp([{ method: "headObject", run: forever }]);
    const { error, afterMs } = await endOf(clock, store.headObject({ bucket: "b", key: "k" }));
    expect(error).toMatchObject({
      kind: "transient",
      code: "STORE_UNAVAILABLE",
      ambiguous: false,
      operation: "headObject",
    });
    expect((error as Error).message).toBe("headObject b/k: no answer within 1000 ms.");
    expect(afterMs).toBe(1000);
    expect(clock.sleeping).toBe(0);
  });

  test("a body adds the time the slowest connection needs, and the failure is ambiguous", async () => {
    const { clock, store } = setUp([{ method: "putObject", run: forever }]);
    const { error, afterMs } = await endOf(clock, store.putObject(put));
    expect(error).toMatchObject({ kind: "transient", ambiguous: true });
    expect(afterMs).toBe(2000);
  });

  test.each(["createMultipart", "abortMultipart", "uploadPart", "completeMultipart"] as const)(
    "%s is a write",
    async (method) => {
      const { clock, store } = setUp([{ method, run: forever } as FaultRule<ObjectStore>]);
      const request = { ...put, multipartId: "m", partNumber: 1, parts: [], size: 1_000_000 };
      const { error, afterMs } = await endOf(clock, store[method](request));
      expect(error).toMatchObject({ kind: "transient", ambiguous: true, operation: method });
      expect(afterMs).toBe(
        { createMultipart: 2000, abortMultipart: 2000, uploadPart: 2000, completeMultipart: 5000 }[method],
      );
    },
  );

  test("a delete is a write", async () => {
    const { clock, store } = setUp([{ method: "deleteObject", run: forever }]);
    const { error, afterMs } = await endOf(clock, store.deleteObject({ bucket: "b", key: "k", ifMatch: "e" }));
    expect(error).toMatchObject({ kind: "transient", ambiguous: true, operation: "deleteObject" });
    expect(afterMs).toBe(1000);
  });

  test("the call inside is aborted with the same error", async () => {
    let inner: AbortSignal | undefined;
    const { clock, store } = setUp([
      {
        method: "headObject",
        run: ({ args }) => {
          inner = (args[0] as { signal: AbortSignal }).signal;
          return forever();
        },
      },
    ]);
    const { error } = await endOf(clock, store.headObject({ bucket: "b", key: "k" }));
    expect(inner?.aborted).toBe(true);
    expect(inner?.reason).toBe(error);
  });

  test("a caller's signal rejects at once with its own reason, also when it aborted before", async () => {
    const { clock, store } = setUp([{ method: "headObject", run: forever, times: 2 }]);
    const stop = new AbortController();
    const call = expect(store.headObject({ bucket: "b", key: "k", signal: stop.signal })).rejects.toThrow("stop");
    stop.abort(new Error("stop"));
    await call;
    await expect(store.headObject({ bucket: "b", key: "k", signal: stop.signal })).rejects.toThrow("stop");
    expect(clock.sleeping).toBe(0);
  });

  test("calls in time leave no timer and no listener behind", async () => {
    const { clock, store } = setUp();
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    await Promise.all([store.putObject({ ...put, signal }), store.headObject({ bucket: "b", key: "k", signal })]);
    await expect(store.checkBucket({ bucket: "missing", signal })).rejects.toMatchObject({ kind: "bucketMissing" });
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
    expect(listeners).toBe(0);
  });

  test("calls side by side share one timer, and each ends at its own time", async () => {
    const { clock, store } = setUp([
      { method: "putObject", run: forever },
      { method: "headObject", run: forever, times: 2 },
    ]);
    const ends: string[] = [];
    const note = (name: string) => () => ends.push(`${name} ${clock.monotonic()}`);
    store.putObject(put).catch(note("put"));
    store.headObject({ bucket: "b", key: "k" }).catch(note("first"));
    await clock.advance(500);
    store.headObject({ bucket: "b", key: "k" }).catch(note("second"));
    await clock.advance(0);
    expect(clock.sleeping).toBe(1);
    await clock.advance(3000);
    expect(ends).toEqual(["first 1000", "second 1500", "put 2000"]);
    expect(clock.sleeping).toBe(0);
  });

  test("a stream has its time anew with each chunk, and waiting for the source does not count", async () => {
    const { clock, memory, store } = setUp();
    async function* slow() {
      for (let n = 0; n < 3; n++) {
        await clock.sleep(1_000_000);
        yield new Uint8Array(1);
      }
    }
    const request = { bucket: "b", key: "k", settings: {}, token: "t", body: slow(), partSize: 1 };
    const call = store.putStream(request);
    await clock.advance(3_000_000);
    expect(await call).toMatchObject({ size: 3 });
    expect(memory.object("b", "k")?.size).toBe(3);
    expect(clock.sleeping).toBe(0);
  });

  test("a stream whose store stops reading it is given up", async () => {
    const { clock, store } = setUp([{ method: "putStream", run: forever }]);
    async function* body() {
      yield new Uint8Array(1);
    }
    const request = { bucket: "b", key: "k", settings: {}, token: "t", body: body(), partSize: 5 };
    const { error, afterMs } = await endOf(clock, store.putStream(request));
    expect(error).toMatchObject({ kind: "transient", ambiguous: true, operation: "putStream" });
    expect(afterMs).toBe(3000);
    expect(clock.sleeping).toBe(0);
  });

  test("a listing has its time for each item, and none while its reader is busy", async () => {
    async function* stalling() {
      yield { key: "a", multipartId: "1", initiatedAt: 0 };
      yield { key: "b", multipartId: "2", initiatedAt: 0 };
      await forever();
    }
    const { clock, store } = setUp([{ method: "listMultiparts", run: stalling }]);
    const seen: string[] = [];
    const list = async () => {
      for await (const { key } of store.listMultiparts({ bucket: "b", prefix: "" })) {
        seen.push(key);
        await clock.sleep(10_000);
      }
    };
    const { error, afterMs } = await endOf(clock, list());
    expect(seen).toEqual(["a", "b"]);
    expect(error).toMatchObject({ kind: "transient", ambiguous: false, operation: "listMultiparts" });
    expect(afterMs).toBe(21_000);
    expect(clock.sleeping).toBe(0);
  });
});
