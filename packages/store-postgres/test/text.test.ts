import { expect, test } from "vitest";
import { listInOrder } from "../src/listing.ts";
import { fromBytes, isLongKey, pathKey, toBytes, toJson } from "../src/text.ts";
import { address, aFile, claim, fill, newSchema, opened, paths, sql, usePostgres } from "./database.ts";

usePostgres();

const LONE = ["\ud800", "\udfff", "a\ud83d", "\ude00a", "\udc00\ud800", "x\ufffd\ud912y\ufffd", "\ud83d\ude00\ud83d"];

test("every string has bytes of its own, and comes back", () => {
  for (const text of [...LONE, "", "\0", "ä\u{1f5fb}", "\ufeffx", "\ufffd"])
    expect(fromBytes(toBytes(text))).toBe(text);
  expect(new Set(LONE.map((text) => toBytes(text).toString("hex"))).size).toBe(LONE.length);
});

test("JSON is ASCII and comes back", () => {
  const value = { "ü\u2028\u007f\0": LONE, __proto: "\u{1f5fb}" };
  expect(toJson(value)).toMatch(/^[ -~]*$/);
  expect(JSON.parse(toJson(value))).toEqual(value);
});

test("half surrogate pairs come back from every field", async () => {
  const schema = newSchema();
  const store = await opened(schema);
  await fill(store, 0);
  const files = LONE.map((text) =>
    aFile(text, { key: text, fingerprint: text, owner: text, reason: { code: "INTEGRITY", message: text } }),
  );
  await store.commit(files.map((after) => ({ before: null, after })));
  for (const file of files) expect(await store.getFile("u", file.path)).toEqual(file);
});

test("a database with another encoding and collation holds any string", async () => {
  const schema = newSchema();
  const database = `${schema}_latin`;
  await sql(`CREATE DATABASE ${database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
  const url = new URL(address());
  url.pathname = `/${database}`;
  const store = await opened(schema, { connectionString: url.href });
  await fill(store, 0);
  const names = ["z", "ä", "日本", "\u{1f5fb}", "\uffff", "Z", "_"];
  const files = names.map((path) => aFile(path, { reason: { code: "INTEGRITY", message: path } }));
  await store.commit(files.map((after) => ({ before: null, after })));
  const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const listed = await store.listFiles("u", { limit: 10 });
  expect(paths(listed)).toEqual(sorted);
  expect(listed.map((file) => file.reason?.message)).toEqual(sorted);
  expect(paths(await claim(store, "ö", 10))).toEqual(sorted);
  await store.close();
  await sql(`DROP DATABASE ${database}`);
});

/** Around the length from which a key no longer holds its path: shorter, just as long, longer, and longer than a path may be. */
function longPaths(): string[] {
  const stem = Array.from({ length: 480 }, (_, n) => `${String(n).padStart(4, "0")}/`).join("");
  const ends = ["", "a", "b", "ba", "z".repeat(31), "z".repeat(32), "z".repeat(33), `${"q".repeat(2_000)}x`, "c", "q"];
  return [
    ...ends.map((end) => stem + end),
    stem.slice(0, -1),
    `${stem.slice(0, -1)}0`,
    "short",
    "zzz",
    "y".repeat(3_000),
  ];
}

test("paths longer than an index entry are files like all others, in order, on any page", async () => {
  const store = await opened(newSchema());
  await fill(store, 0);
  const names = longPaths();
  expect(names.filter((path) => isLongKey(pathKey(path))).length).toBeGreaterThan(7);
  await store.commit(
    names.map((path, size) => ({
      before: null,
      after: aFile(path, { size, state: size % 3 === 0 ? "FAILED" : "PENDING" }),
    })),
  );
  const sorted = [...names].sort();
  for (const limit of [1, 2, 3, 5, 100]) {
    const seen: string[] = [];
    for (let after: string | undefined; ; after = seen.at(-1)) {
      const page = paths(await store.listFiles("u", { limit, after }));
      seen.push(...page);
      if (page.length < limit) break;
    }
    expect(seen).toEqual(sorted);
  }
  for (const [size, path] of names.entries()) expect((await store.getFile("u", path))?.size).toBe(size);
  const failed = names.filter((_, n) => n % 3 === 0).sort();
  expect(paths(await store.listFiles("u", { limit: 4, states: ["FAILED"], dueBy: 0 }))).toEqual(failed.slice(0, 4));
  expect(await claim(store, "o", 100)).toHaveLength(names.length - failed.length);
});

test("a page of short paths is read at once", async () => {
  let reads = 0;
  const rows = ["a", "b", "c"].map((path) => ["1", Buffer.from(path).toString("hex"), null]);
  const found = await listInOrder(undefined, 3, async () => {
    reads += 1;
    return rows;
  });
  expect(found).toEqual(rows);
  expect(reads).toBe(1);
});
