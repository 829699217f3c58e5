export { PostgresSandboxError } from "./errors.ts";
export { postgresForTests } from "./for-tests.ts";
export { type Postgres, type PostgresOptions, startPostgres } from "./postgres.ts";
