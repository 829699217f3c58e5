import { describe, expect, test } from "vitest";
import { type RetryOptions, withRetries } from "../src/decorators/retrying.ts";
import { type ObjectErrorFacts, ObjectStoreError } from "../src/errors.ts";
import type { ObjectStore } from "../src/ports/object-store.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { type FaultRule, faulty } from "../src/testing/faulty.ts";
import { MemoryObjectStore } from "../src/testing/memory-object-store.ts";

const put = {
  bucket: "b",
  key: "k",
  body: new Uint8Array(0),
  checksum: "crc32:00000000",
  settings: {},
  token: "t",
} as const;
const transient = failure({ kind: "transient" });

function failure(facts: Partial<ObjectErrorFacts>): ObjectStoreError {
  return new ObjectStoreError({ kind: "transient", operation: "putObject", bucket: "b", key: "k", ...facts }, "failed");
}

function setUp(rules: FaultRule<ObjectStore>[] = [], options: Partial<RetryOptions> = {}) {
  const clock = new FakeClock();
  const pauses: number[] = [];
  const memory = new MemoryObjectStore({ buckets: ["b"], capabilities: { minPartSize: 1 } });
  const { port, rules: faults } = faulty<ObjectStore>(memory, rules);
  const onRetry = (_: unknown, __: number, delayMs: number) => pauses.push(delayMs);
  const store = withRetries(port, { clock, random: () => 1, onRetry, ...options });
  return { clock, memory, store, pauses, faults };
}

/** Lets time pass until the call has settled. */
async function settled<T>(clock: FakeClock, call: Promise<T>): Promise<T> {
  let open = true;
  const done = call.finally(() => {
    open = false;
  });
  done.catch(() => {});
  for (let turn = 0; open && turn < 100; turn++) await clock.advance(60_000);
  return done;
}

describe("withRetries", () => {
  test.each(["transient", "throttled"] as const)("never repeats a delete, %s or not", async (kind) => {
    const { clock, store, pauses } = setUp([{ method: "deleteObject", before: failure({ kind, ambiguous: true }) }]);
    const call = store.deleteObject({ bucket: "b", key: "k", ifMatch: "e" });
    await expect(settled(clock, call)).rejects.toMatchObject({ kind, ambiguous: true });
    expect(pauses).toEqual([]);
  });

  test.each(["transient", "throttled"] as const)("repeats a %s failure", async (kind) => {
    const { clock, memory, store, pauses } = setUp([{ method: "putObject", before: failure({ kind }), times: 2 }]);
    await settled(clock, store.putObject(put));
    expect(memory.objects("b")).toHaveLength(1);
    expect(pauses).toEqual([100, 200]);
  });

  test.each([
    "notFound",
    "bucketMissing",
    "denied",
    "credentials",
    "wrongRegion",
    "integrity",
    "precondition",
    "conflict",
    "rejected",
    "unsupported",
  ] as const)("does not repeat %s", async (kind) => {
    const error = failure({ kind });
    const { store, faults } = setUp([{ method: "putObject", before: error, times: 9 }]);
    await expect(store.putObject(put)).rejects.toBe(error);
    expect(faults[0]?.fired).toBe(1);
  });

  test("does not repeat what is no error of the store", async () => {
    const error = new Error("a mistake");
    const { store, faults } = setUp([{ method: "putObject", before: error, times: 9 }]);
    await expect(store.putObject(put)).rejects.toBe(error);
    expect(faults[0]?.fired).toBe(1);
  });

  test("gives up after its attempts, with the last error", async () => {
    const errors = [failure({}), failure({}), failure({}), failure({})];
    const last = errors[3];
    const { clock, store, faults, pauses } = setUp([{ method: "headObject", before: () => errors.shift(), times: 9 }], {
      attempts: 4,
    });
    await expect(settled(clock, store.headObject(put))).rejects.toBe(last);
    expect(faults[0]?.fired).toBe(4);
    expect(pauses).toEqual([100, 200, 400]);
  });

  test("pauses are a random share of a doubling bound, up to the cap", async () => {
    const shares = [0, 0.5, 0.25, 1, 1];
    const options = { attempts: 6, baseMs: 1000, capMs: 5000, random: () => shares.shift() ?? 0 };
    const { clock, store, pauses } = setUp([{ method: "putObject", before: transient, times: 5 }], options);
    await settled(clock, store.putObject(put));
    expect(pauses).toEqual([0, 1000, 1000, 5000, 5000]);
  });

  test("waits as long as the store asks, within reason", async () => {
    const asked = [
      failure({ retryAfterMs: 7000 }),
      failure({ retryAfterMs: 86_400_000 }),
      failure({ retryAfterMs: 1 }),
    ];
    const options = { attempts: 4 };
    const { clock, store, pauses } = setUp([{ method: "putObject", before: () => asked.shift(), times: 3 }], options);
    await settled(clock, store.putObject(put));
    expect(pauses).toEqual([7000, 60_000, 400]);
  });

  test("an abort ends the pause with the signal's reason", async () => {
    const { clock, store, faults } = setUp([{ method: "putObject", before: transient, times: 9 }]);
    const stop = new AbortController();
    const call = expect(store.putObject({ ...put, signal: stop.signal })).rejects.toThrow("stop");
    await clock.advance(50);
    expect(clock.sleeping).toBe(1);
    stop.abort(new Error("stop"));
    await call;
    expect(clock.sleeping).toBe(0);
    expect(faults[0]?.fired).toBe(1);
  });

  test("never repeats putStream", async () => {
    const { store, faults } = setUp([{ method: "putStream", before: transient, times: 9 }]);
    async function* body() {
      yield new Uint8Array(1);
    }
    await expect(store.putStream({ ...put, body: body(), partSize: 1 })).rejects.toBe(transient);
    expect(faults[0]?.fired).toBe(1);
  });

  test("repeats createMultipart only when the first one cannot have happened", async () => {
    const ambiguous = failure({ ambiguous: true });
    const lost = setUp([{ method: "createMultipart", after: ambiguous, times: 9 }]);
    await expect(lost.store.createMultipart(put)).rejects.toBe(ambiguous);
    expect(lost.memory.multiparts("b")).toHaveLength(1);
    const refused = setUp([{ method: "createMultipart", before: failure({ kind: "throttled" }) }]);
    await settled(refused.clock, refused.store.createMultipart(put));
    expect(refused.memory.multiparts("b")).toHaveLength(1);
  });

  test("an ambiguous attempt leaves its mark on the last error", async () => {
    const condition = { ifNoneMatch: "*" } as const;
    const { clock, memory, store } = setUp([{ method: "putObject", after: failure({ ambiguous: true }) }]);
    const error: unknown = await settled(clock, store.putObject({ ...put, condition })).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      kind: "precondition",
      code: "OBJECT_EXISTS",
      ambiguous: true,
      bucket: "b",
      key: "k",
    });
    expect((error as Error).cause).toMatchObject({ kind: "precondition", ambiguous: false });
    expect(memory.object("b", "k")?.token).toBe("t");
  });

  test("a listing is repeated before its first item, not after", async () => {
    const { clock, store, faults } = setUp([
      { method: "listMultiparts", afterItems: 0, error: transient },
      { method: "listMultiparts", afterItems: 1, error: transient, nth: 3 },
    ]);
    for (const key of ["a", "b"]) await store.createMultipart({ ...put, key });
    const listed: string[] = [];
    const list = async () => {
      for await (const { key } of store.listMultiparts({ bucket: "b", prefix: "" })) listed.push(key);
    };
    await settled(clock, list());
    expect(listed).toEqual(["a", "b"]);
    await expect(settled(clock, list())).rejects.toBe(transient);
    expect(listed).toEqual(["a", "b", "a"]);
    expect(faults.map(({ fired }) => fired)).toEqual([1, 1]);
  });

  test("a listing of objects goes on behind the last key; each key makes it whole again", async () => {
    const { clock, store, memory, faults } = setUp([
      { method: "listObjects", afterItems: 1, error: transient, times: 4 },
      { method: "listObjects", afterItems: 0, error: transient, nth: 5 },
    ]);
    const keys = ["a", "b", "c", "d", "e"];
    for (const key of keys) await store.putObject({ ...put, key });
    const listed: string[] = [];
    const list = async () => {
      for await (const { key } of store.listObjects({ bucket: "b", prefix: "" })) listed.push(key);
    };
    await settled(clock, list());
    expect(listed).toEqual(keys);
    expect(faults.map(({ fired }) => fired)).toEqual([4, 1]);
    const asked = memory.calls.filter(({ method }) => method === "listObjects").length;
    expect(asked).toBe(5);
  });

  test("a listing of objects that fails three times in one place fails", async () => {
    const { clock, store, faults } = setUp([
      { method: "listObjects", afterItems: 1, error: transient },
      { method: "listObjects", afterItems: 0, error: transient, nth: 2, times: 9 },
    ]);
    for (const key of ["a", "b"]) await store.putObject({ ...put, key });
    const list = async () => {
      for await (const { key } of store.listObjects({ bucket: "b", prefix: "" })) expect(key).toBe("a");
    };
    await expect(settled(clock, list())).rejects.toBe(transient);
    expect(faults.map(({ fired }) => fired)).toEqual([1, 2]);
  });

  test("a listing that is left early is closed inside", async () => {
    let closed = false;
    async function* endless() {
      try {
        for (;;) yield { key: "k", multipartId: "m", initiatedAt: 0 };
      } finally {
        closed = true;
      }
    }
    const { store } = setUp([{ method: "listMultiparts", run: endless }]);
    for await (const { key } of store.listMultiparts({ bucket: "b", prefix: "" })) {
      expect(key).toBe("k");
      break;
    }
    expect(closed).toBe(true);
  });

  test("capabilities and close pass through", async () => {
    const { memory, store } = setUp();
    expect(store.capabilities).toBe(memory.capabilities);
    await store.close();
    await expect(store.checkBucket({ bucket: "b" })).rejects.toThrow("closed");
  });
});
