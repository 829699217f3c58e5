import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { FileRecord } from "@bucketline/core";
import { expect, test } from "vitest";
import { aFile, anUpload, everyFile, NOW, opened, testFolder } from "./folder.ts";

const FILES = 100_000;
const BATCH = 1_000;

function sizes(folder: string): { state: number; journals: number } {
  // A fold beside may just have removed it.
  const size = (name: string) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  const journals = readdirSync(folder).filter((name) => name.includes(".journal."));
  return { state: size("uploads.json"), journals: journals.reduce((sum, name) => sum + size(name), 0) };
}

/** Until no fold writes beside. */
async function unchanging(folder: string): Promise<{ state: number; journals: number }> {
  for (let last = sizes(folder); ; ) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const now = sizes(folder);
    if (now.state === last.state && now.journals === last.journals) return now;
    last = now;
  }
}

test(`${FILES} files: inserted, claimed, finished, folded on the way, and there again`, {
  timeout: 120_000,
}, async () => {
  const folder = testFolder();
  const store = await opened(join(folder, "uploads.json"));
  await store.insertUpload(anUpload());
  const name = (n: number) => `folder ${n % 100}/${String(n).padStart(6, "0")}`;
  for (let n = 0; n < FILES; n += BATCH) {
    const files = Array.from({ length: BATCH }, (_, index) => aFile(name(n + index)));
    await store.commit(files.map((after) => ({ before: null, after })));
  }
  const take = (file: FileRecord): FileRecord => ({ ...file, state: "IN_PROGRESS", revision: 2, owner: "o", fence: 1 });
  const request = { uploadId: "u", uploadState: "IN_PROGRESS", limit: BATCH, now: NOW, horizon: NOW, take } as const;
  for (let n = 0; n < FILES / 2; n += BATCH) {
    const claimed = await store.claim(request);
    expect(claimed.length).toBe(BATCH);
    await store.commit(
      claimed.map((before) => ({ before, after: { ...before, revision: 3, state: "UPLOADED", owner: null } })),
    );
  }
  expect(sizes(folder).state, "it was folded while it was open").toBeGreaterThan(FILES * 100);
  // Commits do not wait for a fold: on a slow disk the next one is due when it is done, and begins with a commit.
  let more = 0;
  const share = async () => {
    await store.commit([{ before: null, after: aFile(`more ${more++}`) }]);
    const { state, journals } = sizes(folder);
    return journals / state;
  };
  await expect.poll(share, { timeout: 60_000, message: "its journals are bounded by its size" }).toBeLessThan(3);
  const before = await unchanging(folder);
  await store.commit([{ before: null, after: aFile("one more") }]);
  const after = sizes(folder);
  expect(after.state + after.journals - before.state - before.journals, "a commit costs its own size").toBeLessThan(
    1_000,
  );
  const files = await everyFile(store);
  const counters = await store.counters("u");
  expect(counters.UPLOADED).toEqual({ files: FILES / 2, bytes: FILES * 50 });
  await store.close();
  await store.open();
  expect(await store.counters("u")).toEqual(counters);
  expect(await everyFile(store)).toEqual(files);
});
