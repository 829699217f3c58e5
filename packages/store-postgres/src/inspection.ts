import type { UploadRecord } from "@bucketline/core";
import type { Connection } from "./connection.ts";
import { Connections } from "./connections.ts";
import { checkServer, inspect } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import { type PostgresStateStoreOptions, quoted, type Settings, settingsOf } from "./options.ts";
import { decodeUpload } from "./rows.ts";
import { statement, statementsOf } from "./statements.ts";

/** What a ledger holds, read without opening it as a store. */
export interface LedgerInspection {
  /** Of the tables, as they are; 0 when there are none. */
  readonly version: number;
  /** What opening the ledger brings them to. */
  readonly latestVersion: number;
  /** Such as `17.2`. */
  readonly serverVersion: string;
  /** Of the tables and their indexes. */
  readonly bytes: number;
  /** In order of registration; undefined unless the tables have the latest version. */
  readonly uploads: readonly UploadRecord[] | undefined;
}

const SERVER_VERSION = statement("SELECT current_setting('server_version')");
const SIZE = statement(`SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::text FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p', 'm')`);
const ALL = String(Number.MAX_SAFE_INTEGER);

/**
 * Looks at a ledger and changes nothing, not even where there is none yet.
 * @throws InputError `INVALID_OPTION` · StateStoreError
 */
export async function inspectLedger(options?: string | PostgresStateStoreOptions): Promise<LedgerInspection> {
  const latestVersion = MIGRATIONS.length;
  return await connected(settingsOf(options), async (connection, settings) => {
    await checkServer(connection, settings);
    const version = await inspect(connection, settings, latestVersion);
    const [server] = await connection.query(SERVER_VERSION);
    const [size] = await connection.query(SIZE, [settings.schema]);
    const list = statementsOf(quoted(settings.schema)).uploads.list({});
    const uploads = version === latestVersion ? (await connection.query(list, [ALL])).map(decodeUpload) : undefined;
    return { version, latestVersion, serverVersion: String(server?.[0]), bytes: Number(size?.[0]), uploads };
  });
}

/**
 * Removes a schema with the ledger in it, and whatever else it holds: for scratch ledgers. A schema that holds tables and no
 * ledger is left alone. Where there is none, nothing happens.
 * @throws InputError `INVALID_OPTION` · StateStoreError
 */
export async function removeLedger(options: PostgresStateStoreOptions & { readonly schema: string }): Promise<void> {
  await connected(settingsOf(options), async (connection, settings) => {
    await inspect(connection, settings, MIGRATIONS.length);
    await connection.script(`DROP SCHEMA IF EXISTS ${quoted(settings.schema)} CASCADE`);
  });
}

async function connected<T>(
  settings: Settings,
  work: (connection: Connection, settings: Settings) => Promise<T>,
): Promise<T> {
  const connections = new Connections(settings);
  try {
    return await connections.persist(() => connections.use((connection) => work(connection, settings)));
  } finally {
    connections.stop();
    await connections.end();
  }
}
