import { expect, test } from "vitest";
import { BufferPool, type Loan } from "../src/buffers.ts";
import { forSeeds } from "./support/random.ts";
import { settle } from "./support/records.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const never = new AbortController().signal;
let borrowers = 0;
/** A borrower with no other loan. */
const somebody = () => `upload ${borrowers++}`;

test("a loan is exactly as long as asked for", async () => {
  const pool = new BufferPool(64 * MIB);
  for (const size of [0, 1, 4 * KIB, 4 * KIB + 1, 512 * KIB, MIB - 1, MIB, MIB + 1, 5 * MIB]) {
    const loan = await pool.borrow(size, never, somebody());
    expect(loan.bytes.length).toBe(size);
    loan.release();
  }
  expect(pool.lent).toBe(0);
});

test("rounding up never takes a request beyond the limit", async () => {
  for (const limit of [1, 5_000, 5_000_000, 3 * MIB - 1]) {
    const pool = new BufferPool(limit);
    const loan = await pool.borrow(limit, never, somebody());
    expect(loan.bytes.length).toBe(limit);
    expect(pool.lent).toBe(limit);
    loan.release();
  }
});

test("a request beyond the limit is served alone, in its turn", async () => {
  const pool = new BufferPool(MIB);
  const served: string[] = [];
  const first = await pool.borrow(1, never, somebody());
  const tell = (name: string) => (loan: Loan) => {
    served.push(name);
    return loan;
  };
  const large = pool.borrow(3 * MIB, never, somebody()).then(tell("large"));
  const small = pool.borrow(1, never, somebody()).then(tell("small"));
  await settle();
  expect(served).toEqual([]);
  first.release();
  await settle();
  expect(served).toEqual(["large"]);
  (await large).release();
  (await small).release();
  expect([served, pool.lent]).toEqual([["large", "small"], 0]);
});

test("nobody overtakes a large request that waits", async () => {
  const pool = new BufferPool(8 * MIB);
  const order: number[] = [];
  const first = await pool.borrow(6 * MIB, never, somebody());
  const waiting = [5 * MIB, 1, 1].map((size, index) =>
    pool.borrow(size, never, somebody()).then((loan) => {
      order.push(index);
      return loan;
    }),
  );
  await settle();
  expect(order).toEqual([]);
  first.release();
  for (const loan of await Promise.all(waiting)) loan.release();
  expect(order).toEqual([0, 1, 2]);
});

test("when a waiting request gives up, those behind it move on", async () => {
  const pool = new BufferPool(4 * MIB);
  const held = await pool.borrow(2 * MIB, never, somebody());
  const stop = new AbortController();
  const large = pool.borrow(4 * MIB, stop.signal, somebody());
  const small = pool.borrow(MIB, never, somebody());
  stop.abort(new Error("enough"));
  await expect(large).rejects.toThrow("enough");
  (await small).release();
  held.release();
  expect(pool.lent).toBe(0);
  await expect(pool.borrow(1, stop.signal, somebody())).rejects.toThrow("enough");
});

test("giving back twice counts once", async () => {
  const pool = new BufferPool(2 * MIB);
  const [one, two] = [await pool.borrow(MIB, never, somebody()), await pool.borrow(MIB, never, somebody())];
  one.release();
  one.release();
  expect(pool.lent).toBe(MIB);
  two.release();
  expect(pool.lent).toBe(0);
});

test("memory is used again, and never by two at once", async () => {
  const pool = new BufferPool(8 * MIB);
  const first = await pool.borrow(MIB, never, somebody());
  const { buffer } = first.bytes;
  first.release();
  const [second, third] = [await pool.borrow(MIB - 5, never, somebody()), await pool.borrow(MIB, never, somebody())];
  expect(second.bytes.buffer).toBe(buffer);
  expect(third.bytes.buffer).not.toBe(buffer);
});

test("one borrower gets four fifths at most, and whoever comes behind it is served", async () => {
  const pool = new BufferPool(20 * MIB);
  const greedy = Array.from({ length: 30 }, () => pool.borrow(MIB, never, "greedy"));
  await settle();
  expect(pool.lent).toBe(16 * MIB);
  const small = await pool.borrow(MIB, never, "small");
  expect(pool.lent).toBe(17 * MIB);
  small.release();
  for (const asked of greedy) (await asked).release();
  expect(pool.lent).toBe(0);
});

test("however many never give anything back, something is left for the next", async () => {
  const pool = new BufferPool(128 * MIB);
  for (let upload = 0; upload < 8; upload++) {
    const asked = Array.from({ length: 40 }, () => pool.borrow(256 * KIB, never, `hung ${upload}`));
    await asked[0];
    await settle();
  }
  expect(pool.lent).toBeLessThan(pool.limit);
  (await pool.borrow(256 * KIB, never, "alive")).release();
});

test("a borrower's own requests keep their order", async () => {
  const pool = new BufferPool(10 * MIB);
  const order: string[] = [];
  const borrow = (name: string, size: number) =>
    pool.borrow(size, never, "one").then((loan) => {
      order.push(name);
      return loan;
    });
  const held = await borrow("held", 6 * MIB);
  const asked = [borrow("large", 4 * MIB), borrow("small", 1)];
  await settle();
  expect(order).toEqual(["held"]);
  held.release();
  for (const loan of await Promise.all(asked)) loan.release();
  expect(order).toEqual(["held", "large", "small"]);
});

test("under any schedule the bound holds, order is kept, no memory is shared, and everybody is served", async () => {
  await forSeeds(40, async (dice) => {
    const pool = new BufferPool(dice.pick([64 * KIB, 100_000, 3 * MIB]));
    const held = new Set<Loan>();
    const waiting = new Set<number>();
    let newest = -1;
    let asked = 0;
    const check = () => {
      const bytes = [...held].map((loan) => loan.bytes);
      const sum = bytes.reduce((total, one) => total + one.length, 0);
      expect(sum).toBeLessThanOrEqual(pool.lent);
      expect(held.size <= 1 || pool.lent <= pool.limit).toBe(true);
      expect(new Set(bytes.map((one) => one.buffer)).size).toBe(bytes.length);
    };
    for (let step = 0; step < 150; step++) {
      if (dice.chance(0.6)) {
        const [number, stop] = [asked++, new AbortController()];
        const size = dice.pick([0, 1, 5_000, 40_000, 70_000, 200_000, 4 * MIB]);
        pool.borrow(size, stop.signal, somebody()).then(
          (loan) => {
            held.add(loan);
            waiting.delete(number);
            newest = Math.max(newest, number);
          },
          () => waiting.delete(number),
        );
        waiting.add(number);
        if (dice.chance(0.2)) queueMicrotask(() => stop.abort());
      } else {
        const loan = [...held][dice.int(0, Math.max(0, held.size - 1))];
        if (loan) held.delete(loan);
        loan?.release();
      }
      if (dice.chance(0.7)) {
        await settle(1);
        // Whoever waits asked after everybody who was served.
        expect(Math.min(...waiting)).toBeGreaterThan(newest);
      }
      check();
    }
    await settle(1);
    while (waiting.size > 0) {
      for (const loan of held) loan.release();
      held.clear();
      await settle(1);
    }
    for (const loan of held) loan.release();
    expect(pool.lent).toBe(0);
  });
});
