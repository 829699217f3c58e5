import { describe, expect, test } from "vitest";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { faulty } from "../src/testing/faulty.ts";

class Port {
  readonly calls: string[] = [];
  #secret = "kept";
  get size(): number {
    return this.calls.length;
  }
  async write(request: { name: string; signal?: AbortSignal }): Promise<string> {
    this.calls.push(request.name);
    return `${this.#secret} ${request.name}`;
  }
  async *list(count: number): AsyncGenerator<number> {
    for (let n = 1; n <= count; n++) yield n;
  }
}

const broken = new Error("broken");

async function collect(items: AsyncIterable<number>): Promise<number[]> {
  const seen: number[] = [];
  try {
    for await (const item of items) seen.push(item);
  } catch {
    seen.push(-1);
  }
  return seen;
}

describe("faulty", () => {
  test("calls without a rule reach the target, private state and getters included", async () => {
    const target = new Port();
    const { port } = faulty(target);
    expect(await port.write({ name: "a" })).toBe("kept a");
    expect(port.size).toBe(1);
    expect(await collect(port.list(2))).toEqual([1, 2]);
    expect(port.write).toBe(port.write);
  });

  test("before: the call is not made; after: it is made and its answer lost", async () => {
    const target = new Port();
    const { port, rules } = faulty(target, [
      { method: "write", before: broken, when: ({ name }) => name === "before" },
      { method: "write", after: () => new Error("lost"), when: ({ name }) => name === "after" },
    ]);
    await expect(port.write({ name: "before" })).rejects.toBe(broken);
    await expect(port.write({ name: "after" })).rejects.toThrow("lost");
    expect(target.calls).toEqual(["after"]);
    expect(rules.map(({ matched, fired }) => [matched, fired])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  test("a rule hits matching calls nth to nth + times - 1", async () => {
    const { port, rules } = faulty(new Port(), [{ method: "write", before: broken, nth: 2, times: 2 }]);
    const outcomes = [];
    for (const name of ["a", "b", "c", "d"]) outcomes.push(await port.write({ name }).catch(() => "failed"));
    expect(outcomes).toEqual(["kept a", "failed", "failed", "kept d"]);
    expect(rules[0]).toMatchObject({ matched: 4, fired: 2 });
  });

  test("the first rule that hits decides, and the others count the call", async () => {
    const { port, rules, inject } = faulty(new Port(), [{ method: "write", before: broken }]);
    const second = inject({ method: "write", before: new Error("second"), nth: 2 });
    await expect(port.write({ name: "a" })).rejects.toBe(broken);
    await expect(port.write({ name: "b" })).rejects.toThrow("second");
    expect(rules).toHaveLength(2);
    expect(second).toMatchObject({ matched: 2, fired: 1 });
  });

  test("a removed rule hits no more", async () => {
    const { port, inject } = faulty(new Port());
    const rule = inject({ method: "write", before: broken, times: Number.POSITIVE_INFINITY });
    await expect(port.write({ name: "a" })).rejects.toBe(broken);
    rule.remove();
    expect(await port.write({ name: "b" })).toBe("kept b");
    expect(rule.fired).toBe(1);
  });

  test("a hanging call settles when its signal aborts, made or not", async () => {
    const target = new Port();
    const { port } = faulty(target, [
      { method: "write", hang: "before" },
      { method: "write", hang: "after", nth: 2 },
    ]);
    const stop = new AbortController();
    const hanging = ["before", "after"].map((name) => port.write({ name, signal: stop.signal }));
    await new FakeClock().advance(0);
    expect(target.calls).toEqual(["after"]);
    stop.abort(broken);
    for (const call of hanging) await expect(call).rejects.toBe(broken);
  });

  test("a delayed call is made once its time has come", async () => {
    const clock = new FakeClock();
    const target = new Port();
    const { port } = faulty(target, [{ method: "write", delayMs: 10 }], { clock });
    const call = port.write({ name: "late" });
    await clock.advance(9);
    expect(target.calls).toEqual([]);
    await clock.advance(1);
    expect(await call).toBe("kept late");
  });

  test("an iterable fails after so many items", async () => {
    const { port } = faulty(new Port(), [
      { method: "list", afterItems: 0, error: broken },
      { method: "list", afterItems: 2, error: broken, nth: 2 },
      { method: "list", afterItems: 9, error: broken, nth: 3 },
    ]);
    expect(await collect(port.list(3))).toEqual([-1]);
    expect(await collect(port.list(3))).toEqual([1, 2, -1]);
    expect(await collect(port.list(3))).toEqual([1, 2, 3, -1]);
    expect(await collect(port.list(3))).toEqual([1, 2, 3]);
  });

  test("an action of one's own may change the answer", async () => {
    const { port } = faulty(new Port(), [
      { method: "write", run: async ({ args, proceed }) => [args, await proceed()] },
    ]);
    expect(await port.write({ name: "a" })).toEqual([[{ name: "a" }], "kept a"]);
  });

  test("chances come from the injected random source", async () => {
    const throws = [0.1, 0.9, 0.49, 0.5];
    const options = { random: () => throws.shift() ?? 1 };
    const { port, rules } = faulty(
      new Port(),
      [{ method: "write", before: broken, times: 4, probability: 0.5 }],
      options,
    );
    const outcomes = [];
    for (const name of ["a", "b", "c", "d"])
      outcomes.push(
        await port.write({ name }).then(
          () => true,
          () => false,
        ),
      );
    expect(outcomes).toEqual([false, true, false, true]);
    expect(rules[0]?.fired).toBe(2);
  });

  test("rules that lack what they need are refused at once", () => {
    expect(() => faulty(new Port(), [{ method: "write", delayMs: 1 }])).toThrow("clock");
    expect(() => faulty(new Port(), [{ method: "write", before: broken, probability: 0.5 }])).toThrow("random");
  });
});
