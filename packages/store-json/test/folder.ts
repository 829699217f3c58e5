import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StateStoreHarness } from "@bucketline/conformance";
import { type FileRecord, type Notice, newFile, newUpload, type StateStore, type UploadSpec } from "@bucketline/core";
import { onTestFinished } from "vitest";
import { JsonStateStore, type JsonStateStoreOptions } from "../src/index.ts";

/** A folder of its own for the running test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "bucketline-json-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An open store that the end of the running test closes. */
export async function opened(options: string | JsonStateStoreOptions): Promise<JsonStateStore> {
  const store = new JsonStateStore(options);
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

export function openHarness(): Promise<StateStoreHarness> {
  return harnessOf(join(testFolder(), "uploads.json"));
}

export async function harnessOf(path: string): Promise<StateStoreHarness> {
  const store = await opened(path);
  return {
    store,
    another: () => opened(path),
    reopen: async () => {
      await store.close();
      return opened(path);
    },
    close: () => store.close(),
  };
}

export const NOW = Date.UTC(2026, 0, 1);

export function aFile(path: string, overrides: Partial<FileRecord> = {}): FileRecord {
  const facts = { size: 100, mtimeNs: BigInt(NOW) * 1_000_000n, fingerprint: `1:2:100:${path}` };
  return { ...newFile({ uploadId: "u", path, key: `u/${path}`, ...facts }, NOW), ...overrides };
}

export function anUpload(id = "u") {
  return { ...newUpload(id, {} as UploadSpec, NOW), state: "IN_PROGRESS" } as const;
}

export function aNotice(id: string, overrides: Partial<Notice> = {}): Notice {
  return {
    id,
    subscriber: "s",
    event: "upload:completed",
    payload: { uploadId: "u", state: "COMPLETED", reason: null },
    state: "DUE",
    revision: 1,
    attempts: 0,
    nextAttemptAt: NOW,
    reason: null,
    createdAt: NOW,
    updatedAt: NOW,
    ...overrides,
  };
}

/** Inserts upload `u` with files `0000`, `0001`, … */
export async function fill(store: StateStore, count: number): Promise<FileRecord[]> {
  await store.insertUpload(anUpload());
  const files = Array.from({ length: count }, (_, n) => aFile(String(n).padStart(4, "0")));
  await store.commit(files.map((after) => ({ before: null, after })));
  return files;
}

export async function everyFile(store: StateStore): Promise<FileRecord[]> {
  return store.listFiles("u", { limit: 1_000_000 });
}
