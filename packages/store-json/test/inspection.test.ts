import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inspectLedger } from "../src/index.ts";
import { fill, opened, testFolder } from "./folder.ts";

test("a ledger is looked at while its owner has it, journal and all, and no lock is taken", async () => {
  const folder = testFolder();
  const path = join(folder, "uploads.json");
  const store = await opened(path);
  await fill(store, 3);
  const names = readdirSync(folder);
  const found = await inspectLedger(path);
  expect(found.uploads).toEqual([await store.getUpload("u")]);
  expect(found.bytes).toBeGreaterThan(500);
  expect(readdirSync(folder)).toEqual(names);
  await store.close();
  expect((await inspectLedger(path)).uploads.map(({ id }) => id)).toEqual(["u"]);
});

test("what is no ledger is refused", async () => {
  const folder = testFolder();
  writeFileSync(join(folder, "text"), "no ledger");
  await expect(inspectLedger(join(folder, "text"))).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  await expect(inspectLedger(join(folder, "none"))).rejects.toMatchObject({ name: "StateStoreError" });
  expect(readdirSync(folder)).toEqual(["text"]);
});
