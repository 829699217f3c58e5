import { expect, test } from "vitest";
import { LazyOrder } from "../src/memory/lazy-order.ts";

test("what is over goes, also behind a first item that stays for ever", () => {
  const current = new Set<number>([0]);
  const order = new LazyOrder<number>(
    (a, b) => a - b,
    (item) => current.has(item),
  );
  order.add(0);
  for (let item = 1; item <= 100_000; item++) {
    current.add(item);
    order.add(item);
    // Looked at while it is current, as a backlog is.
    if (item % 10 === 0) order.items();
    if (item % 10 === 0) for (let over = item - 9; over <= item; over++) current.delete(over);
  }
  expect(order.items()[order.head]).toBe(0);
  expect(order.items().length).toBeLessThan(5_000);
});
