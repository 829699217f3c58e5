import { startPostgres } from "./postgres.ts";

/**
 * The PostgreSQL to test with: the one that `DATABASE_URL` names when it begins with `postgres:` or `postgresql:`,
 * otherwise one that is started now. A named one is shared: use a schema of your own in it, and drop it.
 * @throws PostgresSandboxError when none is named and none can be started
 */
export async function postgresForTests(): Promise<{ readonly connectionString: string; stop(): Promise<void> }> {
  const named = process.env.DATABASE_URL ?? "";
  if (/^postgres(ql)?:/.test(named)) return { connectionString: named, stop: async () => {} };
  const server = await startPostgres();
  return { connectionString: server.connectionString, stop: () => server.stop() };
}
