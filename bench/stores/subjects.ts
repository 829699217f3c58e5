import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@bucketline/core";
import { type Subject, storeSubject } from "./workload.ts";

export const SUBJECTS = ["memory", "bare-sqlite", "sqlite", "json", "postgres"] as const;
export type SubjectName = (typeof SUBJECTS)[number];

export interface Place {
  /** An empty folder of its own. */
  readonly folder: string;
  /** Of a PostgreSQL server, when one is to be measured. */
  readonly databaseUrl?: string | undefined;
  /** Tells subjects on one server from each other; letters, digits and "_". */
  readonly schema: string;
}

interface Opened extends Subject {
  /** Bytes on disk; asked for when the subject is closed, then removes what it has left on a server. */
  readonly measureDisk: () => Promise<number>;
}

/** Drivers are loaded only by who measures them: they count in nobody else's memory, and may be missing. */
const OPEN: Readonly<Record<SubjectName, (place: Place) => Promise<Opened>>> = {
  async memory() {
    const { MemoryStateStore } = await import("@bucketline/core/testing");
    return { ...(await storeSubject(new MemoryStateStore({ clock: systemClock }))), measureDisk: async () => 0 };
  },
  async "bare-sqlite"({ folder }) {
    const { bareSqlite } = await import("./bare-sqlite.ts");
    return { ...bareSqlite(join(folder, "bare.db")), measureDisk: async () => bytesIn(folder) };
  },
  async sqlite({ folder }) {
    const { SqliteStateStore } = await import("@bucketline/store-sqlite");
    const store = new SqliteStateStore(join(folder, "uploads.db"));
    return { ...(await storeSubject(store)), measureDisk: async () => bytesIn(folder) };
  },
  async json({ folder }) {
    const { JsonStateStore } = await import("@bucketline/store-json");
    const store = new JsonStateStore({ path: join(folder, "state.json") });
    return { ...(await storeSubject(store)), measureDisk: async () => bytesIn(folder) };
  },
  async postgres({ databaseUrl, schema }) {
    if (databaseUrl === undefined) throw new Error("There is no PostgreSQL server to measure.");
    const { PostgresStateStore } = await import("@bucketline/store-postgres");
    const store = new PostgresStateStore({ connectionString: databaseUrl, schema });
    return { ...(await storeSubject(store)), measureDisk: () => dropSchema(databaseUrl, schema) };
  },
};

export function openSubject(name: SubjectName, place: Place): Promise<Opened> {
  return OPEN[name](place);
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** @returns the bytes of its tables and indexes */
async function dropSchema(databaseUrl: string, schema: string): Promise<number> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const sql = `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 AS bytes
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'`;
    const { rows } = await client.query<{ bytes: number }>(sql, [schema]);
    await client.query(`DROP SCHEMA ${client.escapeIdentifier(schema)} CASCADE`);
    return rows[0]?.bytes ?? 0;
  } finally {
    await client.end();
  }
}
