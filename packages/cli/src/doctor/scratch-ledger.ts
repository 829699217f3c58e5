import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { StateStoreHarness } from "@bucketline/conformance";
import type { StateStore } from "@bucketline/core";
import type { LedgerPlace } from "../config/values.ts";
import type { Examination } from "./finding.ts";
import type { LedgerFacts } from "./ledger-facts.ts";

export interface LedgerExamination extends Examination {
  /** The same facts however often it is asked. */
  readonly ledger: () => Promise<LedgerFacts>;
}

/** Somewhere to make ledgers that nobody needs, as near to the real one as can be. */
export interface ScratchPlace {
  /** A fresh, empty, open ledger. */
  open(): Promise<StateStoreHarness>;
  /** Removes all that is left. */
  remove(): Promise<void>;
}

const PREFIX = ".bucketline-doctor-";
const SCHEMA_PREFIX = "bucketline_doctor_";
const DAY_MS = 86_400_000;

/** In the same folder, so that the same file system is tested; in the same database, in schemas of its own. */
export async function openScratch(place: LedgerPlace): Promise<ScratchPlace> {
  if (place.kind === "postgres") return await postgresScratch(place.url);
  if (place.path === ":memory:") throw new Error("A ledger in memory has no place.");
  const near = await existingFolder(dirname(resolve(place.path)));
  await removeOldScratch(near);
  const folder = await mkdtemp(join(near, PREFIX));
  const make = await fileStore(place.kind);
  let opened = 0;
  return {
    open: () => {
      opened += 1;
      return harnessOf(() => make(join(folder, `${opened}.scratch`)));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The folder, or the nearest above it that is there. */
export async function existingFolder(folder: string): Promise<string> {
  for (let candidate = folder; ; candidate = dirname(candidate)) {
    const isThere = await stat(candidate).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isThere || candidate === dirname(candidate)) return candidate;
  }
}

/** A doctor that was killed could not tidy up. Others may be at work: only what is a day old goes. */
async function removeOldScratch(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(folder, name);
    const made = await stat(path).catch(() => undefined);
    if (made?.isDirectory() && Date.now() - made.mtimeMs > DAY_MS) await rm(path, { recursive: true, force: true });
  }
}

async function fileStore(kind: "sqlite" | "json"): Promise<(path: string) => StateStore> {
  if (kind === "sqlite") {
    const { SqliteStateStore } = await import("@bucketline/store-sqlite");
    return (path) => new SqliteStateStore(path);
  }
  const { JsonStateStore } = await import("@bucketline/store-json");
  return (path) => new JsonStateStore(path);
}

async function postgresScratch(connectionString: string): Promise<ScratchPlace> {
  const { PostgresStateStore, removeLedger } = await import("@bucketline/store-postgres");
  const schemas = new Set<string>();
  const removeSchema = async (schema: string) => {
    await removeLedger({ connectionString, schema });
    schemas.delete(schema);
  };
  return {
    open: () => {
      const schema = `${SCHEMA_PREFIX}${randomBytes(8).toString("hex")}`;
      schemas.add(schema);
      const options = { connectionString, schema, maxConnections: 2, reconnectTimeoutMs: 5_000 };
      return harnessOf(
        () => new PostgresStateStore(options),
        () => removeSchema(schema),
      );
    },
    remove: async () => {
      for (const schema of schemas) await removeSchema(schema);
    },
  };
}

async function harnessOf(make: () => StateStore, remove?: () => Promise<void>): Promise<StateStoreHarness> {
  const handles: StateStore[] = [];
  const another = async () => {
    const store = make();
    handles.push(store);
    await store.open();
    return store;
  };
  const store = await another();
  return {
    store,
    another,
    reopen: async () => {
      await store.close();
      return await another();
    },
    close: async () => {
      for (const handle of handles) await handle.close();
      await remove?.();
    },
  };
}
