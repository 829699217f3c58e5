import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newUpload, type UploadSpec } from "@bucketline/core";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { inspectLedger } from "../src/index.ts";
import { fill, NOW, opened, testFolder } from "./folder.ts";

test("a ledger is looked at while another handle writes it, and nothing in it changes", async () => {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  await fill(store, 3);
  const found = await inspectLedger(path);
  expect(found.version).toBe(found.latestVersion);
  expect(found.uploads).toEqual([await store.getUpload("u")]);
  await store.insertUpload(newUpload("v", {} as UploadSpec, NOW));
  expect((await inspectLedger(path)).uploads?.map(({ id }) => id)).toEqual(["u", "v"]);
});

test("a closed ledger stays byte for byte as it is", async () => {
  const folder = testFolder();
  const path = join(folder, "uploads.db");
  const store = await opened(path);
  await fill(store, 3);
  await store.close();
  const before = readFileSync(path);
  await inspectLedger(path);
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(folder)).toEqual(["uploads.db"]);
});

test("older tables are named, and not brought up to date", async () => {
  const path = join(testFolder(), "uploads.db");
  await (await opened(path)).close();
  const db = new Database(path);
  db.pragma("user_version = 1");
  db.close();
  const { version, latestVersion, uploads } = await inspectLedger(path);
  expect({ version, uploads }).toEqual({ version: 1, uploads: undefined });
  expect(latestVersion).toBeGreaterThan(1);
  expect((await inspectLedger(path)).version).toBe(1);
});

test("what is no ledger of ours, or of a newer version, is refused", async () => {
  const folder = testFolder();
  writeFileSync(join(folder, "text"), "no database at all".repeat(100));
  await expect(inspectLedger(join(folder, "text"))).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  await expect(inspectLedger(join(folder, "none"))).rejects.toMatchObject({ name: "StateStoreError" });
  expect(readdirSync(folder)).toEqual(["text"]);
  const path = join(folder, "newer.db");
  await (await opened(path)).close();
  const db = new Database(path);
  db.pragma("user_version = 999");
  db.close();
  await expect(inspectLedger(path)).rejects.toMatchObject({ code: "STATE_NEWER" });
});
