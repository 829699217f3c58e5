import { expect, test } from "vitest";
import { Journal } from "../src/live/journal.ts";
import { Places } from "../src/live/places.ts";
import { filterKey, Selection } from "../src/live/selection.ts";

const all = { uploadId: null, types: null };

function tell(journal: Journal, text: string, uploadId: string | null = "u", subject: string | null = null): void {
  const name = subject === null ? "file:queued" : "file:progress";
  journal.append({ name, uploadId, subject, data: JSON.stringify(text) });
}

function texts(bytes: Buffer): string[] {
  return [...bytes.toString().matchAll(/^data: (.*)$/gm)].map(([, text]) => JSON.parse(text!) as string);
}

test("a journal keeps so many events and no more, and knows the ids of those", () => {
  const journal = new Journal(3);
  const ids = ["a", "b", "c", "d", "e"].map((text) => {
    tell(journal, text);
    return journal.idAt(journal.next);
  });
  expect([journal.first, journal.next]).toEqual([2, 5]);
  expect(ids.map((id) => journal.positionOf(id))).toEqual([null, 2, 3, 4, 5]);
  expect(journal.positionOf(journal.idAt(6))).toBeNull();
  expect(new Journal(3).positionOf(ids[4]!)).toBeNull();
  expect(() => journal.at(1)).toThrow(RangeError);
  expect(() => journal.at(5)).toThrow(RangeError);
  expect(texts(new Selection(journal, all).chunk(2, false).bytes)).toEqual(["c", "d", "e"]);
});

test("a journal is bounded in bytes, too, but always keeps the newest event", () => {
  const journal = new Journal(100);
  for (let count = 0; count < 100; count++) tell(journal, "x".repeat(10_000));
  expect(journal.bytes).toBeLessThanOrEqual(100 * 2048);
  expect(journal.next - journal.first).toBe(Math.floor((100 * 2048) / journal.at(99).frame.length));
  tell(journal, "y".repeat(1_000_000));
  expect([journal.first, journal.next]).toEqual([100, 101]);
});

test("what is put together for one is put together for all of the same filter and position", () => {
  const journal = new Journal(10);
  const selection = new Selection(journal, all);
  tell(journal, "a");
  tell(journal, "b");
  const { bytes } = selection.chunk(0, false);
  expect(selection.chunk(0, false).bytes).toBe(bytes);
  expect(selection.chunk(1, false).bytes).toBe(journal.at(1).frame);
  tell(journal, "c");
  expect(texts(selection.chunk(0, false).bytes)).toEqual(["a", "b", "c"]);
});

test("clients that stand at many positions do not make it keep as many chunks", () => {
  const journal = new Journal(1000);
  const selection = new Selection(journal, all);
  for (let count = 0; count < 1000; count++) tell(journal, `${count}`);
  const first = selection.chunk(0, false);
  for (let at = 1; at < 100; at++) selection.chunk(at, false);
  const again = selection.chunk(0, false);
  expect(again).not.toBe(first);
  expect(again).toEqual(first);
});

test("a chunk is bounded, and no event is left out between chunks", () => {
  const journal = new Journal(100);
  const selection = new Selection(journal, all, 1000);
  for (let count = 0; count < 50; count++) tell(journal, `${count}`.padEnd(200, "."));
  const heard: string[] = [];
  for (let at = 0; at < journal.next; ) {
    const { bytes, next } = selection.chunk(at, false);
    expect(bytes.length).toBeLessThan(1000 + journal.at(0).frame.length);
    heard.push(...texts(bytes));
    at = next;
  }
  expect(heard.map((text) => Number.parseInt(text, 10))).toEqual(Array.from({ length: 50 }, (_, count) => count));
  tell(journal, "z".repeat(5000));
  expect(texts(selection.chunk(50, false).bytes)).toEqual(["z".repeat(5000)]);
});

test("of figures, whoever is late gets the newest of each subject, in its place", () => {
  const journal = new Journal(100);
  const selection = new Selection(journal, all);
  tell(journal, "p1", "u", "u/p");
  tell(journal, "q1", "u", "u/q");
  tell(journal, "started");
  tell(journal, "p2", "u", "u/p");
  tell(journal, "done");
  tell(journal, "p3", "u", "u/p");
  expect(texts(selection.chunk(0, true).bytes)).toEqual(["q1", "started", "done", "p3"]);
  expect(texts(selection.chunk(0, false).bytes)).toEqual(["p1", "q1", "started", "p2", "done", "p3"]);
  const late = new Selection(journal, all);
  expect(late.weightAt(6)).toBe(0);
  expect(late.weight - late.weightAt(0)).toBe(journal.at(2).frame.length + journal.at(4).frame.length);
});

test("a filter passes its own upload and types, and moves on past the rest", () => {
  const journal = new Journal(100);
  tell(journal, "mine", "u");
  tell(journal, "other", "v");
  tell(journal, "nobody's", null);
  tell(journal, "figures", "u", "u");
  const of = (uploadId: string | null, types: Parameters<typeof filterKey>[0]["types"]) =>
    texts(new Selection(journal, { uploadId, types }).chunk(0, false).bytes);
  expect(of("u", null)).toEqual(["mine", "figures"]);
  expect(of("u", ["file:progress"])).toEqual(["figures"]);
  expect(of(null, ["file:queued"])).toEqual(["mine", "other", "nobody's"]);
  const nothing = new Selection(journal, { uploadId: "w", types: null }).chunk(0, false);
  expect([nothing.bytes.length, nothing.next, nothing.weight]).toEqual([0, 4, 0]);
  expect(filterKey({ uploadId: null, types: ["warning", "file:queued", "warning"] })).toBe(
    filterKey({ uploadId: null, types: ["file:queued", "warning"] }),
  );
  expect(filterKey(all)).not.toBe(filterKey({ uploadId: null, types: [] }));
});

test("no client takes more than half of the places, and places come back", () => {
  const places = new Places(3);
  const giveBack = [places.take("a"), places.take("a")];
  expect(() => places.take("a")).toThrow(expect.objectContaining({ code: "TOO_MANY_STREAMS", status: 503 }));
  places.take("b");
  expect(() => places.take("b")).toThrow(expect.objectContaining({ headers: { "retry-after": "5" } }));
  giveBack[0]!();
  places.take("b");
  expect(() => places.take("a")).toThrow();
});
