import type { ConnectionOptions } from "node:tls";
import { InputError } from "@bucketline/core";
import pg from "pg";

/** Settings of a PostgresStateStore. */
export interface PostgresStateStoreOptions {
  /**
   * `postgres://user:password@host:port/database?…`, as node-postgres reads it. Default: the environment variables of
   * libpq (PGHOST, PGUSER, PGDATABASE, PGPASSWORD, …).
   */
  readonly connectionString?: string | undefined;
  /** A pool of your own instead, which stays open when the store is closed. At least two connections: one listens. */
  readonly pool?: pg.Pool | undefined;
  /** Where the tables are; made when it is not there. Each ledger needs a schema to itself. Default: `bucketline`. */
  readonly schema?: string | undefined;
  /** TLS, as in node-postgres. Default: what the connection string says. */
  readonly ssl?: boolean | ConnectionOptions | undefined;
  /** Connections for work; one more listens for changes while somebody is subscribed. Default: 5. */
  readonly maxConnections?: number | undefined;
  /** How long a statement may run, or wait for a lock, before it fails with `STATE_BUSY`, in milliseconds. Default: 30,000. */
  readonly statementTimeoutMs?: number | undefined;
  /** How long a call tries to reach a server that is away before it fails with `STATE_UNAVAILABLE`, in milliseconds. Default: 30,000. */
  readonly reconnectTimeoutMs?: number | undefined;
  /**
   * The connections lead to a pooler that hands them out per transaction, such as PgBouncer: prepares no statements,
   * changes no settings of a session, and offers no `subscribe`. Default: false.
   */
  readonly transactionPooler?: boolean | undefined;
}

export interface Settings {
  readonly pool: pg.Pool | undefined;
  /** Of connections of our own. */
  readonly client: pg.ClientConfig;
  readonly schema: string;
  readonly maxConnections: number;
  readonly statementTimeoutMs: number;
  readonly reconnectTimeoutMs: number;
  readonly transactionPooler: boolean;
  /** Server, database and schema for messages: never the user's name or password. */
  readonly place: string;
}

const KNOWN: ReadonlySet<string> = new Set<keyof PostgresStateStoreOptions>([
  ...(["connectionString", "pool", "schema", "ssl", "maxConnections"] as const),
  ...(["statementTimeoutMs", "reconnectTimeoutMs", "transactionPooler"] as const),
]);

const LONGEST_MS = 2 ** 31 - 1;

/** @throws InputError `INVALID_OPTION` */
export function settingsOf(given: string | PostgresStateStoreOptions = {}): Settings {
  const options = typeof given === "string" ? { connectionString: given } : given;
  if (typeof options !== "object" || options === null)
    throw invalid("options", "give a connection string or an object");
  const unknown = Object.keys(options).find((name) => !KNOWN.has(name));
  if (unknown !== undefined) throw invalid(unknown, `there is no such option. There are ${[...KNOWN].join(", ")}`);
  const { connectionString, pool, ssl, schema = "bucketline", transactionPooler = false } = options;
  if (typeof transactionPooler !== "boolean") throw invalid("transactionPooler", "true or false");
  checkSchema(schema);
  checkPool(options, transactionPooler);
  const client = {
    ...(connectionString === undefined ? {} : { connectionString }),
    ...(ssl === undefined ? {} : { ssl }),
  };
  return {
    ...{ pool, client, schema, transactionPooler },
    maxConnections: wholeNumber("maxConnections", options.maxConnections ?? 5, 1_000),
    statementTimeoutMs: wholeNumber("statementTimeoutMs", options.statementTimeoutMs ?? 30_000, LONGEST_MS),
    reconnectTimeoutMs: wholeNumber("reconnectTimeoutMs", options.reconnectTimeoutMs ?? 30_000, LONGEST_MS),
    place: `${pool ? "in PostgreSQL" : addressOf(client)}, schema ${schema},`,
  };
}

/** The schema's name as SQL has it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function checkSchema(schema: unknown): void {
  if (typeof schema !== "string" || schema === "" || schema.includes("\0") || /\p{Surrogate}/u.test(schema)) {
    throw invalid("schema", "name the schema of the tables");
  }
  // The server would cut a longer name, and two might become one.
  if (Buffer.byteLength(schema) > 63) throw invalid("schema", "at most 63 bytes");
  if (/^pg_/i.test(schema)) throw invalid("schema", "names that begin with pg_ are PostgreSQL's own");
}

function checkPool(
  { pool, connectionString, ssl, maxConnections }: PostgresStateStoreOptions,
  isPooled: boolean,
): void {
  if (pool === undefined) return;
  if (typeof pool?.connect !== "function" || typeof pool.on !== "function") throw invalid("pool", "give a Pool of pg");
  if (connectionString !== undefined || ssl !== undefined || maxConnections !== undefined) {
    throw invalid("pool", "has its own connectionString, ssl and maxConnections: leave ours out");
  }
  // Not in the driver's types.
  if (Reflect.get(pool.options ?? {}, "binary")) throw invalid("pool", "answers in text: leave its option binary out");
  if (!isPooled && pool.options?.max === 1) throw invalid("pool", "at least two connections, one of which listens");
}

/** Reads the connection string as a client will, without connecting. */
function addressOf(config: pg.ClientConfig): string {
  const { connectionString } = config;
  if (
    connectionString !== undefined &&
    (typeof connectionString !== "string" || !/^(postgres(ql)?:\/\/|socket:|\/)/.test(connectionString))
  ) {
    throw invalid("connectionString", "give a URL that begins with postgres://");
  }
  try {
    const { host, port, database } = new pg.Client(config);
    return `at ${host}:${port}/${database ?? ""}`;
  } catch {
    // Without its cause, which may hold the URL with its password.
    throw invalid("connectionString", "cannot be read as a URL of PostgreSQL");
  }
}

function wholeNumber(name: string, value: unknown, largest: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= largest) return value;
  throw invalid(name, `give a whole number from 1 to ${largest}`);
}

function invalid(name: string, what: string): InputError {
  return new InputError("INVALID_OPTION", `${name}: ${what}.`);
}
