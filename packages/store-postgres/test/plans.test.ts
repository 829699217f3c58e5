import { FILE_STATES } from "@bucketline/core";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Connection } from "../src/connection.ts";
import { Connections } from "../src/connections.ts";
import { quoted, settingsOf } from "../src/options.ts";
import { type ListShape, type Statement, type Statements, statement, statementsOf } from "../src/statements.ts";
import { address, aFile, claim, fill, newSchema, opened, sql, usePostgres } from "./database.ts";

usePostgres();

const SAMPLES: Readonly<Record<string, string>> = {
  ...{ int2: "1", int4: "1", int8: "1", numeric: "1", bool: "true", xid8: "'1'", text: "'x'" },
  ...{ bytea: "'\\x3030'", json: "'{}'" },
};

const LISTS: readonly ListShape[] = [
  {},
  ...FILE_STATES.map((state) => ({ states: [state] })),
  { states: ["FAILED", "SKIPPED"] },
  { states: FILE_STATES },
  { withTransfer: true },
  { withTransfer: true, states: ["PENDING"] },
  { states: ["FAILED"], dueBy: 1 },
  { states: ["FAILED"], isBounded: true },
  { dueBy: 1, isBounded: true },
];

const NOTICE_LISTS = [{}, { states: ["DEAD"] }, { subscriber: "s", states: ["DEAD"] }] as const;
/** Of several kinds: a page of each is sorted. */
const MIXED_NOTICE_LISTS = [{ subscriber: "s" }, { states: ["DUE", "DEAD"] }] as const;

/** 10⁴ files, nearly all of them UPLOADED, and as many notices, nearly all of them DEAD and of one subscriber, behind statistics
 * that say they are all PENDING, or DUE and of another, or true ones, or none. */
async function table(statistics: "none" | "stale" | "true") {
  const schema = newSchema();
  await fill(await opened(schema), 10_000);
  await sql(`INSERT INTO ${schema}.notices
    SELECT to_char(n, 'FM00000')::bytea, 's', 'file:failed', '{}', 0, 1, 0, n, NULL, 0, 0 FROM generate_series(1, 10000) n`);
  if (statistics === "stale") await sql(`ANALYZE ${schema}.files, ${schema}.notices`);
  await sql(`UPDATE ${schema}.files SET state = 2 WHERE path > '\\x3030303130'`);
  await sql(`UPDATE ${schema}.notices SET state = 1, subscriber = 'other' WHERE id > '\\x3030303130'`);
  if (statistics === "true") await sql(`ANALYZE ${schema}.files, ${schema}.notices`);
  const connections = new Connections(settingsOf({ connectionString: address(), schema, maxConnections: 1 }));
  onTestFinished(() => connections.end());
  return { connections, statements: statementsOf(quoted(schema)) };
}

async function planOf(connection: Connection, { text }: Statement, mode: "generic" | "custom"): Promise<string> {
  const types = new Map(
    Array.from(text.matchAll(/\$(\d+)::(\w+(?:\[\])?)/g), ([, n, type]) => [Number(n), type ?? ""]),
  );
  const values = [...types]
    .sort(([a], [b]) => a - b)
    .map(([, type]) => {
      return type.endsWith("[]") ? `'{}'::${type}` : (SAMPLES[type] ?? "NULL");
    });
  await connection.script(`SET plan_cache_mode = force_${mode}_plan; PREPARE plan AS ${text}`);
  const execute = values.length > 0 ? `EXECUTE plan (${values.join(", ")})` : "EXECUTE plan";
  const rows = await connection.script(`EXPLAIN (COSTS off) ${execute}`);
  await connection.script("DEALLOCATE plan");
  return rows.map(([line]) => line).join("\n");
}

function everyStatement({ uploads, files, writes, owners, notices }: Statements): Statement[] {
  const groups = [uploads, files, writes, owners, notices].flatMap((group) => Object.values(group));
  const lists = [files.list({}), ...LISTS.map(files.list), uploads.list({}), uploads.list({ after: "u" })];
  const expressions = [statement(`SELECT ${uploads.stateOf("75")}`)];
  const noticeLists = NOTICE_LISTS.map(notices.list);
  return [...groups.filter((value) => typeof value !== "function"), ...lists, ...noticeLists, ...expressions];
}

test.each(["none", "stale", "true"] as const)(
  "no statement reads a whole table or sorts (statistics: %s)",
  async (statistics) => {
    const { connections, statements } = await table(statistics);
    const { forgetCommits } = statements.writes;
    const { forgetStale } = statements.owners;
    await connections.use(async (connection) => {
      for (const mode of ["generic", "custom"] as const) {
        for (const statement of everyStatement(statements)) {
          if (statement === forgetCommits || statement === forgetStale) continue;
          const plan = await planOf(connection, statement, mode);
          expect(plan, `${mode}: ${statement.text}\n${plan}`).not.toMatch(
            /Seq Scan|-> {2}(Incremental )?Sort|Bitmap|Hash Join/,
          );
        }
      }
    });
  },
);

test.each(["none", "stale", "true"] as const)("each question has its index (statistics: %s)", async (statistics) => {
  const { connections, statements } = await table(statistics);
  const { files, owners, notices } = statements;
  const index: [Statement, RegExp][] = [
    [files.due, /Index Scan using files_pending .*\n.*Index Cond: .*upload = .* AND .*next_attempt_at <= /],
    [files.beyond, /Index Scan using files_pending .*\n.*Index Cond: .*upload = .* AND .*next_attempt_at > /],
    [files.nextDue, /Index (Only )?Scan using files_pending /],
    [files.isAnyDue, /files_pending(.|\n)*files_pending/],
    [files.isAnyFailedDue, /files_failed /],
    [files.byKey, /files_key .*\n.*Index Cond: .*upload = .* AND .*key_hash = /],
    [files.get, /files_pkey .*\n.*Index Cond: .*upload = .* AND .*path = /],
    [files.list({}), /files_pkey .*\n.*Index Cond: .*upload = .* AND .*path > /],
    [
      files.list({ states: ["FAILED"] }),
      /files_by_state .*\n.*Index Cond: .*upload = .* AND .*state = 3.* AND .*path > /,
    ],
    [files.list({ states: ["IN_PROGRESS"] }), /files_held .*\n.*Index Cond: .*upload = .* AND .*path > /],
    [files.list({ states: ["FAILED", "SKIPPED"] }), /Merge Append(.|\n)*files_by_state(.|\n)*files_by_state/],
    [files.list({ withTransfer: true }), /files_transfer .*\n.*Index Cond: .*upload = .* AND .*path > /],
    [owners.stale, /LockRows(.|\n)*files_held(.|\n)*owners_pkey/],
    [owners.isAnyStale, /files_held(.|\n)*owners_pkey/],
    [notices.due, /Index Scan using notices_due .*\n.*Index Cond: .*subscriber = .* AND .*next_attempt_at <= /],
    [notices.beyond, /Index Scan using notices_due .*\n.*Index Cond: .*subscriber = .* AND .*next_attempt_at > /],
    [notices.next, /Index (Only )?Scan using notices_due /],
    [notices.get, /notices_pkey /],
    [notices.update, /notices_pkey /],
    [notices.remove, /notices_pkey /],
    [notices.list({}), /notices_pkey .*\n.*Index Cond: .*id > /],
    [notices.list({ states: ["DEAD"] }), /notices_by_state .*\n.*Index Cond: .*\(state, id\) > .* AND \(state <= /],
    [
      notices.list({ subscriber: "s", states: ["DEAD"] }),
      /notices_of_subscriber .*\n.*Index Cond: .*\(subscriber, state, id\) > .* AND .*\(subscriber, state\) <= /,
    ],
    ...MIXED_NOTICE_LISTS.map((page): [Statement, RegExp] => {
      return [
        notices.list(page),
        /Sort\n(.|\n)*Append\n.*Limit\n.*using (\w+) .*\n.*ROW(.|\n)*Limit\n.*using \2 .*\n.*ROW/,
      ];
    }),
  ];
  await connections.use(async (connection) => {
    for (const mode of ["generic", "custom"] as const) {
      for (const [statement, expected] of index) {
        expect(await planOf(connection, statement, mode), `${mode}: ${statement.text}`).toMatch(expected);
      }
    }
  });
});

test("a claim after a full one takes five round trips, a commit four", async () => {
  const store = await opened(newSchema(), { maxConnections: 1 });
  const [file] = await fill(store, 8);
  if (!file) throw new Error("no file");
  await claim(store, "o", 2);
  const query = vi.spyOn(pg.Client.prototype, "query");
  onTestFinished(() => query.mockRestore());
  const roundTrips = async (work: Promise<unknown>) => {
    query.mockClear();
    await work;
    return query.mock.calls.filter(([config]) => !JSON.stringify(config).includes("pg_notify")).length;
  };
  expect(await roundTrips(claim(store, "o", 2))).toBe(5);
  expect(await roundTrips(store.commit([{ before: null, after: aFile("x") }]))).toBe(4);
});
