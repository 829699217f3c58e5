import type { ChangeHint, StateStore } from "@bucketline/core";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { address, aFile, anUpload, claim, fill, newSchema, opened, release, sql, usePostgres } from "./database.ts";

usePostgres();

function heard(store: StateStore): ChangeHint[] {
  const hints: ChangeHint[] = [];
  if (!store.subscribe) throw new Error("The store does not offer hints.");
  onTestFinished(store.subscribe((hint) => hints.push(hint)));
  return hints;
}

/** Resolves when they are heard from: the first hint says that there is somebody who listens now. */
async function ready(...ears: ChangeHint[][]): Promise<void> {
  for (const hints of ears) {
    await expect.poll(() => hints).toEqual([{}]);
    hints.length = 0;
  }
}

/** Resolves when so many sessions listen to the schema's channel and have nothing else to do. */
async function listening(schema: string, count: number, database = address()): Promise<void> {
  const channel = `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'`;
  await expect.poll(async () => Number((await sql(channel, [schema], database))[0]?.[0])).toBe(count);
}

/** Marks the sessions of this test. */
const named = (schema: string) => ({ connectionString: `${address()}?application_name=${schema}` });

async function trio() {
  const schema = newSchema();
  const [first, second, third] = [
    await opened(schema, named(schema)),
    await opened(schema, named(schema)),
    await opened(schema, named(schema)),
  ];
  await fill(first, 3);
  const [own, other] = [heard(first), heard(second)];
  await ready(own, other);
  return { schema, first, second, third, own, other };
}

test("what one handle does the others hear, and it does not", async () => {
  const { first, third, own, other } = await trio();
  const upload = anUpload("u");
  const doings: (() => Promise<unknown>)[] = [
    () => first.updateUpload(upload, { ...upload, revision: 2 }),
    () => first.insertUpload(anUpload("v")),
    () => first.commit([{ before: null, after: aFile("a") }]),
    () => claim(first, "nobody", 1),
    () => first.rescue({ limit: 1, release }),
  ];
  for (const [n, doing] of doings.entries()) {
    other.length = 0;
    await doing();
    await expect.poll(() => other.length, { message: `doing ${n}` }).toBeGreaterThan(0);
    expect(other[0]).toEqual({ uploadId: n === 1 ? "v" : "u" });
  }
  expect(own).toEqual([]);
  await third.commit([{ before: null, after: aFile("b") }]);
  await expect.poll(() => own).toEqual([{ uploadId: "u" }]);
});

test("what changes nothing is not told, and a burst is told a few times", async () => {
  const { first, third, own, other } = await trio();
  const file = aFile("00000");
  other.length = 0;
  await first.commit([{ before: { ...file, revision: 9 }, after: { ...file, revision: 10 } }]);
  await first.commit([]);
  await first.heartbeat("o", 1_000);
  const begun = performance.now();
  for (let n = 0; n < 100; n++) await first.commit([{ before: null, after: aFile(`burst ${n}`) }]);
  const lasted = performance.now() - begun;
  await first.close();
  await third.insertUpload(anUpload("last"));
  await expect.poll(() => other.at(-1)).toEqual({ uploadId: "last" });
  const told = other.filter((hint) => hint.uploadId === "u").length;
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThanOrEqual(2 + Math.ceil(lasted / 200));
  expect(own).toEqual([]);
});

test("the last change of a burst is told", async () => {
  const { first, second, other } = await trio();
  let counted = 0;
  for (let n = 0; n < 20; n++) await first.commit([{ before: null, after: aFile(`burst ${n}`) }]);
  await expect
    .poll(async () => {
      if (other.length > 0) counted = (await second.counters("u")).PENDING.files;
      other.length = 0;
      return counted;
    })
    .toBe(23);
});

test("a listener whose connection was ended hears again, and is told that it may have missed something", async () => {
  const { schema, first, other } = await trio();
  await sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'",
    [schema],
  );
  await expect.poll(() => other).toContainEqual({});
  other.length = 0;
  await first.insertUpload(anUpload("v"));
  await expect.poll(() => other).toContainEqual({ uploadId: "v" });
});

test("hints stay within their schema", async () => {
  const { first, other } = await trio();
  const elsewhere = await opened(newSchema());
  await elsewhere.insertUpload(anUpload("elsewhere"));
  await first.insertUpload(anUpload("v"));
  await expect.poll(() => other).toContainEqual({ uploadId: "v" });
  expect(other).not.toContainEqual({ uploadId: "elsewhere" });
});

test("whoever has stopped listening hears nothing, and the last one leaves no connection", async () => {
  const schema = newSchema();
  const [first, second] = [await opened(schema, named(schema)), await opened(schema, named(schema))];
  const hints: string[] = [];
  const stops = ["a", "b"].map((name) => second.subscribe?.((hint) => hints.push(`${name} ${hint.uploadId}`)));
  await expect.poll(() => hints).toEqual(["a undefined", "b undefined"]);
  hints.length = 0;
  stops[0]?.();
  await first.insertUpload(anUpload("u"));
  await expect.poll(() => hints).toEqual(["b u"]);
  stops[1]?.();
  stops[1]?.();
  await listening(schema, 0);
  const again = heard(second);
  await ready(again);
  await first.insertUpload(anUpload("v"));
  await expect.poll(() => again).toEqual([{ uploadId: "v" }]);
  await second.close();
  await listening(schema, 0);
});

test("a listener that throws and a payload that is none of ours harm nobody", async () => {
  const schema = newSchema();
  const [first, second] = [await opened(schema, named(schema)), await opened(schema, named(schema))];
  onTestFinished(
    second.subscribe?.(() => {
      throw new Error("listener");
    }) ?? (() => {}),
  );
  const hints = heard(second);
  await ready(hints);
  const [row] = await sql("SELECT query FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'", [
    schema,
  ]);
  const channel = String(row?.[0]).replace("LISTEN ", "");
  for (const payload of ["", "{", "null", "[]", '{"uploadId": 7}'])
    await sql("SELECT pg_notify($1, $2)", [channel, payload]);
  await first.insertUpload(anUpload("u"));
  await expect.poll(() => hints).toContainEqual({ uploadId: "u" });
  expect(hints.filter((hint) => hint.uploadId !== undefined)).toHaveLength(1);
});

test("hints come through a pool that was handed in", async () => {
  const schema = newSchema();
  const pool = new pg.Pool({ ...named(schema), max: 2 });
  const [first, second] = [await opened(schema), await opened(schema, { pool })];
  const hints = heard(second);
  await ready(hints);
  await first.insertUpload(anUpload("u"));
  await expect.poll(() => hints).toEqual([{ uploadId: "u" }]);
  expect(await second.getUpload("u")).toEqual(anUpload("u"));
  await second.close();
  await pool.end();
});
