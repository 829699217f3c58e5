import { inspect } from "node:util";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { PostgresStateStore } from "../src/index.ts";

const PLACE = "postgres://user:s3cr3t@db.example:5433/ledger";

test.each([
  [{ connectionString: "" }, "connectionString"],
  [{ connectionString: "mysql://user:s3cr3t@host/db" }, "connectionString"],
  [{ connectionString: "postgres://user:s3cr3t@host:notaport/db" }, "connectionString"],
  [{ connectionString: "postgres://user:s3cr3t@[::1/db" }, "connectionString"],
  [{ connectionString: 7 }, "connectionString"],
  [{ connectionString: PLACE, schema: "" }, "schema"],
  [{ connectionString: PLACE, schema: "a\0b" }, "schema"],
  [{ connectionString: PLACE, schema: "\ud800" }, "schema"],
  [{ connectionString: PLACE, schema: "pg_mine" }, "schema"],
  [{ connectionString: PLACE, schema: "ü".repeat(32) }, "schema"],
  [{ connectionString: PLACE, maxConnections: 0 }, "maxConnections"],
  [{ connectionString: PLACE, maxConnections: 1.5 }, "maxConnections"],
  [{ connectionString: PLACE, statementTimeoutMs: 0 }, "statementTimeoutMs"],
  [{ connectionString: PLACE, statementTimeoutMs: 2 ** 31 }, "statementTimeoutMs"],
  [{ connectionString: PLACE, reconnectTimeoutMs: Number.NaN }, "reconnectTimeoutMs"],
  [{ connectionString: PLACE, transactionPooler: "yes" }, "transactionPooler"],
  [{ connectionString: PLACE, shcema: "x" }, "shcema"],
  [{ pool: {} }, "pool"],
  [null, "options"],
])("%j is refused before anything is touched, naming %s", (options, name) => {
  let thrown: unknown;
  try {
    new PostgresStateStore(options as never);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: "INVALID_OPTION", name: "InputError" });
  expect(String(thrown)).toContain(`${name}: `);
  expect(inspect(thrown, { depth: 9, showHidden: true })).not.toContain("s3cr3t");
});

test("a pool goes with no option of a connection, and has two connections", () => {
  const pool = new pg.Pool({ max: 1 });
  onTestFinished(() => pool.end());
  const invalid = expect.objectContaining({ code: "INVALID_OPTION" });
  for (const more of [{ connectionString: PLACE }, { ssl: true }, { maxConnections: 3 }, {}]) {
    expect(() => new PostgresStateStore({ pool, ...more })).toThrow(invalid);
  }
  expect(() => new PostgresStateStore({ pool, transactionPooler: true })).not.toThrow();
  const binary = new pg.Pool(Object.assign({ max: 2 }, { binary: true }));
  onTestFinished(() => binary.end());
  expect(() => new PostgresStateStore({ pool: binary })).toThrow(/answers in text/);
});

test("nothing of a store shows its password", () => {
  const store = new PostgresStateStore(PLACE);
  expect(inspect(store, { depth: 9, showHidden: true }) + JSON.stringify(store)).not.toContain("s3cr3t");
});

test("a store that is not open says where it would be, without the user and the password", async () => {
  const error = await new PostgresStateStore(PLACE).getUpload("u").catch(String);
  expect(error).toContain("db.example:5433/ledger, schema bucketline");
  expect(error).not.toMatch(/user|s3cr3t/);
  expect(() => new PostgresStateStore(PLACE).subscribe?.(() => {})).toThrow(
    expect.objectContaining({ code: "STATE_CLOSED" }),
  );
});
