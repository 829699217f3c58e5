// Starts a PostgreSQL, says where, and lives on without stopping it.

import { startPostgres } from "../src/index.ts";

const { connectionString, pid } = await startPostgres();
process.stdout.write(`${JSON.stringify({ connectionString, pid })}\n`);
