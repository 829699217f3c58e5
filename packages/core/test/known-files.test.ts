import { expect, test } from "vitest";
import { newFile } from "../src/file.ts";
import { KnownFiles, knownFiles } from "../src/known-files.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";
import { NOW, ReconcileBed, seen } from "./support/reconcile-bed.ts";
import { facts, upload } from "./support/records.ts";

async function storeOf(files: number): Promise<{ store: MemoryStateStore; paths: string[] }> {
  const store = new MemoryStateStore({ clock: new FakeClock(NOW) });
  await store.open();
  await store.insertUpload(upload());
  const paths = Array.from({ length: files }, (_, index) => `f${String(index).padStart(5, "0")}`);
  await store.commit(
    paths.map((path) => ({ before: null, after: newFile({ uploadId: "u", path, key: path, ...facts(1) }, 1) })),
  );
  return { store, paths };
}

test.each([0, 1, 999, 1_000, 1_001, 2_500])("%i records, each once, however the steps are made", async (count) => {
  const { store, paths } = await storeOf(count);
  const found: (string | undefined)[] = [];
  const known = new KnownFiles(store, "u");
  expect(known.current).toBeUndefined();
  for (await known.step(); known.current; ) {
    found.push(known.current.path);
    if (found.length % 3 === 0 || !known.tryStep()) await known.step();
  }
  expect(found).toEqual(paths);
  expect(known.tryStep()).toBe(false);
  await known.step();
  expect(known.current).toBeUndefined();
  const listed: string[] = [];
  for await (const { path } of knownFiles(store, "u")) listed.push(path);
  expect(listed).toEqual(paths);
});

test("unchanged files of several pages are counted and not written; one in the middle is seen to differ", async () => {
  const bed = await new ReconcileBed().open();
  const entries = Array.from({ length: 2_300 }, (_, index) => seen(`f${String(index).padStart(5, "0")}`));
  await bed.scan(entries);
  const written = bed.commits.matched;
  expect(await bed.scan(entries)).toMatchObject({ seen: 2_300, added: 0, changed: 0, removed: 0, skipped: 0 });
  expect(bed.commits.matched).toBe(written);
  const other = entries.map((entry, index) => (index === 1_500 ? seen(entry.path, 2) : entry));
  expect(await bed.scan(other)).toMatchObject({ seen: 2_300, added: 0, changed: 1, removed: 0 });
  expect(await bed.scan(other.filter((_, index) => index !== 700))).toMatchObject({ seen: 2_299, changed: 0 });
});

test("what is unchanged and has grown too old is skipped while it waits, and stays once it is uploaded", async () => {
  const bed = await new ReconcileBed().open({ maxAge: 2 * NOW });
  const entries = ["a", "b", "c", "d"].map((path) => seen(path));
  await bed.scan(entries);
  await bed.move("b", "UPLOADED");
  await bed.move("c", "IN_PROGRESS");
  expect(await bed.scan(entries, { now: 3 * NOW })).toMatchObject({ seen: 4, skipped: 2 });
  expect(await bed.states()).toEqual(["a SKIPPED", "b UPLOADED", "c IN_PROGRESS", "d SKIPPED"]);
});

test("of a folder that turns out empty the ledger is not read to its end", async () => {
  const bed = await new ReconcileBed().open();
  await bed.scan(Array.from({ length: 2_300 }, (_, index) => seen(`f${String(index).padStart(5, "0")}`)));
  const pages = bed.inject({ method: "listFiles", times: 0, before: new Error("never") });
  expect(await bed.scan([])).toMatchObject({ doubt: { code: "SOURCE_DOUBTFUL" }, removed: 0 });
  expect(pages.matched).toBe(1);
});
