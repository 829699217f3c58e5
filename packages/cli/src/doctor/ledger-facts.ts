import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { UploadRecord } from "@bucketline/core";
import type { Config } from "../config/config.ts";
import { type LedgerPlace, ledgerOf } from "../config/values.ts";
import { codeOf, UsageError } from "../errors.ts";

export interface LedgerFacts {
  readonly place: LedgerPlace;
  /** Whether there is one already. */
  readonly exists: boolean;
  /** Of the file with what belongs to it, or of the tables. */
  readonly bytes: number;
  readonly version: number | undefined;
  readonly latestVersion: number | undefined;
  /** Of PostgreSQL. */
  readonly serverVersion: string | undefined;
  /** Undefined when they cannot be read without changing the ledger. */
  readonly uploads: readonly UploadRecord[] | undefined;
}

/** Looks at the ledger that the settings name, and changes nothing. @throws UsageError · StateStoreError */
export async function readLedger({ values }: Config): Promise<LedgerFacts> {
  const place = ledgerOf(values.databaseUrl);
  if (!place) throw new UsageError("DATABASE_URL must be sqlite:///path, json:path or postgres://host/database.");
  const facts = { place, version: undefined, latestVersion: undefined, serverVersion: undefined };
  if (place.kind === "postgres") {
    const { inspectLedger } = await import("@bucketline/store-postgres");
    const found = await inspectLedger({ connectionString: place.url, reconnectTimeoutMs: 5_000 });
    return { ...found, place, exists: found.version > 0 };
  }
  if (!existsSync(place.path)) return { ...facts, exists: false, bytes: 0, uploads: [] };
  if (place.kind === "sqlite") {
    const { inspectLedger } = await import("@bucketline/store-sqlite");
    const found = await inspectLedger(place.path);
    return { ...facts, ...found, exists: true, bytes: await sizeOf(place.path) };
  }
  return { ...facts, ...(await readJson(place.path, ATTEMPTS)), exists: true };
}

const ATTEMPTS = 3;
const PAUSE_MS = 200;

/** One that is caught while its owner replaces its files looks damaged, and does not a moment later. */
async function readJson(path: string, attempts: number): Promise<Pick<LedgerFacts, "uploads" | "bytes">> {
  const { inspectLedger } = await import("@bucketline/store-json");
  try {
    return await inspectLedger(path);
  } catch (error) {
    if (attempts === 1 || codeOf(error) !== "STATE_CORRUPT") throw error;
    await sleep(PAUSE_MS);
    return await readJson(path, attempts - 1);
  }
}

/** With the log and the index of the log beside it. */
async function sizeOf(path: string): Promise<number> {
  const folder = dirname(path);
  const names = (await readdir(folder)).filter((name) =>
    ["", "-wal", "-shm"].some((end) => name === basename(path) + end),
  );
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, one) => sum + one, 0);
}
