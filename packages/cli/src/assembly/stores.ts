import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { StateStore } from "@bucketline/core";
import type { Config } from "../config/config.ts";
import { ledgerOf, maskPasswords } from "../config/values.ts";
import { CommandError, EXIT, UsageError } from "../errors.ts";
import { printable } from "../output/printable.ts";

/**
 * The ledger that the settings name; only the store that is needed is loaded. It is not open yet.
 * @param mustExist whether a file that is not there is an error: who only looks must not make an empty ledger
 * @throws UsageError for a URL that names none · CommandError `NO_LEDGER`
 */
export async function makeStore(
  { values }: Config,
  { mustExist }: { readonly mustExist: boolean },
): Promise<StateStore> {
  const place = ledgerOf(values.databaseUrl);
  if (!place) throw new UsageError("DATABASE_URL must be sqlite:///path, json:path or postgres://host/database.");
  if (place.kind === "postgres") {
    const { PostgresStateStore } = await import("@bucketline/store-postgres");
    // Who only looks is told soon; whoever sends files waits for a server that restarts.
    return new PostgresStateStore({ connectionString: place.url, ...(mustExist && { reconnectTimeoutMs: 5_000 }) });
  }
  const { path, kind } = place;
  if (path !== ":memory:") {
    if (mustExist && !existsSync(path)) throw noLedger(path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  }
  if (kind === "sqlite") {
    const { SqliteStateStore } = await import("@bucketline/store-sqlite");
    return new SqliteStateStore(path);
  }
  const { JsonStateStore } = await import("@bucketline/store-json");
  return new JsonStateStore(path);
}

function noLedger(path: string): CommandError {
  const remedy = "Name the right one with DATABASE_URL or --database-url; sync and register make one.";
  return new CommandError("NO_LEDGER", EXIT.unreachable, `There is no ledger at ${printable(path)}.`, { remedy });
}

/** Where the ledger is, for people: never with a password. */
export function ledgerPlace({ values }: Config): string {
  return printable(maskPasswords(values.databaseUrl));
}

/** What to do about a ledger that somebody else has, as far as it depends on its kind. */
export function explainBusy(error: unknown, config: Config): unknown {
  const isBusy = error instanceof Error && "code" in error && error.code === "STATE_BUSY";
  if (!isBusy || ledgerOf(config.values.databaseUrl)?.kind !== "json") return error;
  const remedy =
    "A JSON ledger serves one process at a time. Stop that process, ask it over its HTTP API, or move the ledger to SQLite, which processes of one machine share.";
  return new CommandError("STATE_BUSY", EXIT.unreachable, error.message, { cause: error, remedy });
}
