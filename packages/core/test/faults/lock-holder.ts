// Another process that has the ledger locked until it is told to let go.

import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";

const database = new DatabaseSync(process.argv[2] ?? "");
database.exec("PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE");
process.stdout.write("locked\n");
createInterface({ input: process.stdin }).once("line", () => {
  database.exec("ROLLBACK");
  database.close();
  process.stdout.write("released\n");
  process.stdin.destroy();
});
