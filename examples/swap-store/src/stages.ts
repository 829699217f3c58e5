import { join } from "node:path";
import type { StateStore } from "@bucketline/core";
import { PostgresSandboxError, startPostgres } from "@bucketline/postgres-sandbox";
import { JsonStateStore } from "@bucketline/store-json";
import { PostgresStateStore } from "@bucketline/store-postgres";
import { SqliteStateStore } from "@bucketline/store-sqlite";

/** A store in which the ledger lives for a while. */
export interface Stage {
  readonly name: string;
  readonly state: StateStore;
}

const SCHEMA = "bucketline_swap_store";

/** SQLite, then JSON, then PostgreSQL: the one that `DATABASE_URL` names, or one that runs as long as this program. */
export async function openStages(
  home: string,
  print: (line: string) => void,
): Promise<{ readonly stages: readonly Stage[]; close(): Promise<void> }> {
  const stages: Stage[] = [
    { name: "SQLite", state: new SqliteStateStore(join(home, "uploads.db")) },
    { name: "JSON", state: new JsonStateStore({ path: join(home, "uploads.json") }) },
  ];
  try {
    const { connectionString, stop } = await findPostgres();
    stages.push({ name: "PostgreSQL", state: new PostgresStateStore({ connectionString, schema: SCHEMA }) });
    return { stages, close: stop };
  } catch (error) {
    if (!(error instanceof PostgresSandboxError)) throw error;
    print(`Without PostgreSQL, as there is none here: ${error.message}`);
    return { stages, close: async () => {} };
  }
}

async function findPostgres(): Promise<{ readonly connectionString: string; stop(): Promise<void> }> {
  const named = process.env.DATABASE_URL ?? "";
  if (/^postgres(ql)?:/.test(named)) return { connectionString: named, stop: async () => {} };
  const server = await startPostgres();
  return { connectionString: server.connectionString, stop: () => server.stop() };
}
