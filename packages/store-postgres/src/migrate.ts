import { StateStoreError } from "@bucketline/core";
import type { Connection } from "./connection.ts";
import { MIGRATIONS, type Migration, TABLES } from "./migrations/index.ts";
import { quoted, type Settings } from "./options.ts";
import { statement } from "./statements.ts";
import { lockNumber } from "./uploads.ts";

const APPLICATION = "bucketline";
const OLDEST_SERVER = 14;
/** An index over a large table takes its time. */
const MIGRATION_TIMEOUT_MS = 3_600_000;

const SERVER = statement(`SELECT current_setting('server_version_num')::int4 / 10000, pg_is_in_recovery(),
  current_setting('transaction_read_only')`);
const RELATIONS = statement(`SELECT c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`);
const SCHEMA = statement(
  "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1::text",
);
const PRIVILEGES = statement(`SELECT bool_and(has_table_privilege(t, 'SELECT') AND has_table_privilege(t, 'INSERT')
  AND has_table_privilege(t, 'UPDATE') AND has_table_privilege(t, 'DELETE')) FROM unnest($1::text[]) t`);

/**
 * Makes the tables or brings them to the latest version, as several hosts may do at once. When there is nothing to do it
 * writes nothing and needs no right to create.
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · `STATE_NOT_WRITABLE` · DriverError
 */
export async function prepare(
  connection: Connection,
  settings: Settings,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  await checkServer(connection, settings);
  let version = await inspect(connection, settings, migrations.length);
  while (version < migrations.length) version = await migrateOnce(connection, settings, migrations);
  await checkPrivileges(connection, settings);
}

/** One migration: wholly, or not at all. @returns the version that it, or another host, has brought the tables to */
async function migrateOnce(
  connection: Connection,
  settings: Settings,
  migrations: readonly Migration[],
): Promise<number> {
  const schema = quoted(settings.schema);
  const lock = lockNumber(settings.schema, "migration");
  const begin = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = ${MIGRATION_TIMEOUT_MS}`;
  try {
    await connection.script(`${begin}; SELECT pg_advisory_xact_lock(${lock})`, MIGRATION_TIMEOUT_MS);
    // Again, under the lock: another host may have been first.
    const version = await inspect(connection, settings, migrations.length);
    const migration = migrations[version];
    if (migration) {
      const isNew = (await connection.query(SCHEMA, [settings.schema])).length === 0;
      if (isNew) await connection.script(`CREATE SCHEMA ${schema}`);
      await connection.script(migration(schema), MIGRATION_TIMEOUT_MS);
      const record =
        version === 0
          ? `INSERT INTO ${schema}.ledger (application, version) VALUES ('${APPLICATION}', 1)`
          : `UPDATE ${schema}.ledger SET version = ${version + 1}`;
      await connection.script(record);
    }
    await connection.script("COMMIT");
    return migration ? version + 1 : version;
  } catch (error) {
    await connection.rollBack();
    throw error;
  }
}

/** Reads only. @throws StateStoreError `STATE_NOT_WRITABLE` · DriverError */
export async function checkServer(connection: Connection, { place }: Settings): Promise<void> {
  const [row] = await connection.query(SERVER);
  const [version, isStandby, isReadOnly] = row ?? [];
  if (Number(version) < OLDEST_SERVER) {
    throw notWritable(`${place} runs PostgreSQL ${version}. It needs ${OLDEST_SERVER} or newer: upgrade the server.`);
  }
  if (isStandby === "t") throw notWritable(`${place} is a standby, which cannot be written. Connect to the primary.`);
  if (isReadOnly === "on") {
    throw notWritable(
      `${place} is set to read only. Look at default_transaction_read_only of the role and the database.`,
    );
  }
}

/**
 * Reads only.
 * @returns the version of the tables, 0 when there are none
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · `STATE_NOT_WRITABLE` · DriverError
 */
export async function inspect(connection: Connection, { schema, place }: Settings, latest: number): Promise<number> {
  const relations = new Set((await connection.query(RELATIONS, [schema])).map(([name]) => name));
  if (relations.size === 0) return 0;
  const foreign = corrupt(`${place} holds tables of another application, and was left as it is. Name another schema.`);
  if (!relations.has("ledger")) throw foreign;
  const [usage] = await connection.query(SCHEMA, [schema]);
  if (usage?.[0] !== "t") throw notWritable(`${place} may not be used by this role. Grant it USAGE on the schema.`);
  const columns = statement(`SELECT count(*) FROM pg_catalog.pg_attribute
    WHERE attrelid = '${quoted(schema).replaceAll("'", "''")}.ledger'::regclass AND attname IN ('application', 'version')`);
  if (Number((await connection.query(columns))[0]?.[0]) !== 2) throw foreign;
  const rows = await connection.query(statement(`SELECT application, version FROM ${quoted(schema)}.ledger`));
  if (rows.some(([application]) => application !== APPLICATION)) throw foreign;
  const version = Number(rows[0]?.[1] ?? 0);
  if (rows.length !== 1 || version < 1) throw corrupt(`${place} has lost its version, and was left as it is.`);
  if (version > latest) {
    const message = `The state store ${place} has version ${version}, this Bucketline knows versions up to ${latest}. Upgrade Bucketline.`;
    throw new StateStoreError("STATE_NEWER", message);
  }
  const missing = version === MIGRATIONS.length ? TABLES.find((table) => !relations.has(table)) : undefined;
  if (missing)
    throw corrupt(`${place} has lost its table ${missing}, and was left as it is. Restore it from a backup.`);
  return version;
}

async function checkPrivileges(connection: Connection, { schema, place }: Settings): Promise<void> {
  const names = TABLES.filter((table) => table !== "ledger").map((table) => {
    return `"${`${quoted(schema)}.${table}`.replace(/["\\]/g, "\\$&")}"`;
  });
  const [row] = await connection.query(PRIVILEGES, [`{${names.join(",")}}`]);
  if (row?.[0] === "t") return;
  throw notWritable(
    `${place} may not be written by this role. Grant it SELECT, INSERT, UPDATE and DELETE on all tables.`,
  );
}

function notWritable(what: string): StateStoreError {
  return new StateStoreError("STATE_NOT_WRITABLE", `The state store ${what}`);
}

function corrupt(what: string): StateStoreError {
  return new StateStoreError("STATE_CORRUPT", `The state store ${what}`);
}
