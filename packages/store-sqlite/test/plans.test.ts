import { join } from "node:path";
import { FILE_STATES, type NoticePage } from "@bucketline/core";
import Database from "better-sqlite3";
import { expect, onTestFinished, test, vi } from "vitest";
import { FileTable } from "../src/files.ts";
import { NoticeTable } from "../src/notices.ts";
import {
  COUNTERS,
  FILES,
  KEYS,
  listFilesSql,
  listNoticesSql,
  listUploadsSql,
  NOTICES,
  OWNERS,
  PARTS,
  UPLOADS,
} from "../src/statements.ts";
import { FILE_CODE } from "../src/states.ts";
import { UploadTable } from "../src/uploads.ts";
import { fill, opened, testFolder } from "./folder.ts";

async function connection(): Promise<Database.Database> {
  const path = join(testFolder(), "uploads.db");
  await fill(await opened(path), 2_000);
  const db = new Database(path);
  onTestFinished(() => void db.close());
  db.function("key_hash", (key) => Number(key));
  return db;
}

function planOf(db: Database.Database, sql: string): string {
  const parameters = Array.from(sql.matchAll(/\?/g), () => null);
  const steps = db.prepare<null[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters);
  return steps.map((step) => step.detail).join("\n");
}

const LISTS = [
  {},
  ...FILE_STATES.map((state) => ({ states: [state] })),
  { states: ["FAILED", "SKIPPED"] as const },
  { states: FILE_STATES },
  { withTransfer: true },
  { withTransfer: true, states: ["PENDING"] as const },
  { states: ["FAILED"] as const, dueBy: 1 },
  { dueBy: 1 },
];

const NOTICE_LISTS: readonly Pick<NoticePage, "subscriber" | "states">[] = [
  {},
  { subscriber: "s" },
  { states: ["DEAD"] },
  { states: ["DUE", "DEAD"] },
  { subscriber: "s", states: ["DEAD"] },
];

test.each([false, true])("no statement reads a whole table or sorts (analysed: %j)", async (isAnalysed) => {
  const db = await connection();
  if (isAnalysed) db.exec("ANALYZE");
  const { holding, list, ...owners } = OWNERS;
  const statements = [UPLOADS, FILES, KEYS, PARTS, COUNTERS, NOTICES, owners].flatMap((group) => Object.values(group));
  const lists = [...LISTS.map(listFilesSql), ...NOTICE_LISTS.map((page) => listNoticesSql(page).sql)];
  for (const sql of [...statements, ...lists]) {
    expect(planOf(db, sql), sql).not.toMatch(/SCAN (files|parts|uploads|notices)|TEMP B-TREE/);
  }
});

test("listings by state and by transfer read their index, in its order", async () => {
  const db = await connection();
  expect(planOf(db, listFilesSql({ states: ["FAILED"] }))).toMatch(
    /INDEX files_by_state \(upload=\? AND state=\? AND path>\?\)/,
  );
  expect(planOf(db, listFilesSql({ states: ["FAILED", "SKIPPED"] }))).toMatch(/^MERGE \(UNION ALL\)/);
  expect(planOf(db, listFilesSql({ withTransfer: true }))).toMatch(/INDEX files_transfer \(upload=\? AND path>\?\)/);
  expect(planOf(db, listFilesSql({}))).toBe("SEARCH files USING PRIMARY KEY (upload=? AND path>?)");
});

test("claims read the pending index in its order, keys their hash", async () => {
  const db = await connection();
  expect(planOf(db, FILES.due)).toMatch(/INDEX files_pending \(upload=\? AND next_attempt_at<\?\)/);
  expect(planOf(db, FILES.beyond)).toMatch(/INDEX files_pending \(upload=\? AND next_attempt_at>\?\)/);
  expect(planOf(db, FILES.earliest)).toMatch(/COVERING INDEX files_pending \(upload=\?\)/);
  expect(planOf(db, FILES.latest)).toMatch(/COVERING INDEX files_pending \(upload=\?\)/);
  expect(planOf(db, FILES.byKeyHash)).toMatch(/INDEX files_key \(upload=\? AND key_hash=\?\)/);
});

test("whether a failed file is due is read off the first entry of its index", async () => {
  const db = await connection();
  expect(planOf(db, FILES.earliestFailed)).toBe("SEARCH files USING COVERING INDEX files_failed (upload=?)");
});

test("a question for due failed files reads no file when none is due", async () => {
  const db = await connection();
  const notices = new NoticeTable(db);
  const files = new FileTable(db, new UploadTable(db, notices), notices);
  db.exec(`UPDATE files SET state = ${FILE_CODE.FAILED}, next_attempt_at = 9000`);
  const page = { limit: 10, states: ["FAILED"] } as const;
  const prepared = vi.spyOn(db, "prepare");
  expect(files.list("u", { ...page, dueBy: 8_999 })).toEqual([]);
  expect(prepared).not.toHaveBeenCalled();
  expect(files.list("u", { ...page, dueBy: 9_000 })).toHaveLength(10);
});

test("rescues read the files in progress only, uploads come in their own order", async () => {
  const db = await connection();
  for (const sql of [OWNERS.holding, OWNERS.heldBy]) {
    expect(planOf(db, sql)).toMatch(/SEARCH files USING INDEX files_by_state \(upload=\? AND state=\?\)/);
  }
  expect(planOf(db, listUploadsSql({ after: "u" }))).toMatch(/SEARCH uploads USING INTEGER PRIMARY KEY \(rowid>\?\)/);
  expect(planOf(db, listUploadsSql({ states: ["PENDING"] }))).not.toMatch(/TEMP B-TREE/);
});

test("notices that are due, and those of a kind, are read off their index", async () => {
  const db = await connection();
  expect(planOf(db, NOTICES.due)).toMatch(/INDEX notices_due \(subscriber=\? AND next_attempt_at<\?\)/);
  expect(planOf(db, NOTICES.beyond)).toMatch(/INDEX notices_due \(subscriber=\? AND next_attempt_at>\?\)/);
  expect(planOf(db, NOTICES.earliest)).toMatch(/COVERING INDEX notices_due \(subscriber=\?\)/);
  const list = (page: Pick<NoticePage, "subscriber" | "states">) => planOf(db, listNoticesSql(page).sql);
  expect(list({})).toBe("SEARCH notices USING PRIMARY KEY (id>?)");
  expect(list({ states: ["DEAD"] })).toMatch(/INDEX notices_by_state \(state=\? AND id>\?\)/);
  const ofSubscriber = /INDEX notices_of_subscriber \(subscriber=\? AND state=\? AND id>\?\)/g;
  expect(list({ subscriber: "s", states: ["DEAD"] })).toMatch(ofSubscriber);
  expect(list({ subscriber: "s" }).match(ofSubscriber)).toHaveLength(2);
});
