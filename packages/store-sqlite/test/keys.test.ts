import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { aFile, fill, opened, testFolder } from "./folder.ts";

// More than two batches.
const MANY = 12_000;

test("the first question for a key lets other work through, and finds what that work wrote", async () => {
  const store = await opened(join(testFolder(), "uploads.db"));
  const files = await fill(store, MANY);
  let answered = false;
  const question = store.findFileByKey("u", "u/9999").finally(() => {
    answered = true;
  });
  await turn();
  expect(answered).toBe(false);
  const [first, last] = [files[0], files.at(-1)];
  if (!first || !last) throw new Error("there are files");
  const move = (before: typeof first) => ({ before, after: { ...before, revision: 2, key: `moved/${before.path}` } });
  await store.commit([move(first), move(last), { before: null, after: aFile("!before all") }]);
  await store.commit([{ before: null, after: aFile("~after all") }]);
  expect(answered).toBe(false);
  expect((await question)?.path).toBe("9999");
  for (const path of ["!before all", "~after all", "5000"])
    expect((await store.findFileByKey("u", `u/${path}`))?.path).toBe(path);
  for (const { path, key } of [first, last]) {
    expect((await store.findFileByKey("u", `moved/${path}`))?.path).toBe(path);
    expect(await store.findFileByKey("u", key)).toBeUndefined();
  }
});

test("what was hashed when the store was closed, or the process died, is not hashed again", async () => {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  await fill(store, MANY);
  const question = store.findFileByKey("u", "u/9999");
  await turn();
  await store.close();
  await expect(question).rejects.toMatchObject({ code: "STATE_CLOSED" });
  const db = new Database(path);
  onTestFinished(() => void db.close());
  const hashed = db.prepare("SELECT count(*) FROM files WHERE key_hash IS NOT NULL").pluck();
  const before = hashed.get() as number;
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(MANY);
  await store.open();
  await store.commit([{ before: null, after: aFile("!before all") }]);
  expect(hashed.get()).toBe(before + 1);
  expect((await store.findFileByKey("u", "u/!before all"))?.path).toBe("!before all");
  expect((await store.findFileByKey("u", "u/9999"))?.path).toBe("9999");
  expect(hashed.get()).toBe(MANY + 1);
});

test("several questions at once, from two handles, are all answered", async () => {
  const path = join(testFolder(), "uploads.db");
  const [store, other] = [await opened(path), await opened(path)];
  await fill(store, MANY);
  const keys = ["u/0000", "u/7000", "u/11999", "u/none"];
  const answers = await Promise.all([store, other].flatMap((one) => keys.map((key) => one.findFileByKey("u", key))));
  const paths = ["0000", "7000", "11999", undefined];
  expect(answers.map((file) => file?.path)).toEqual([...paths, ...paths]);
});
