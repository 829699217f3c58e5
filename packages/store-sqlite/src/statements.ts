import { type FilePage, NOTICE_STATES, type NoticePage, type UploadPage } from "@bucketline/core";
import { FILE_COLUMNS, MOVE_COLUMNS, NOTICE_COLUMNS, UPLOAD_COLUMNS } from "./rows.ts";
import { FILE_CODE, NOTICE_CODE, UPLOAD_CODE } from "./states.ts";

const marks = (count: number) => Array.from({ length: count }, () => "?").join(", ");
const assignments = (columns: readonly string[]) => columns.map((column) => `${column} = ?`).join(", ");

const FILE = ["path", ...FILE_COLUMNS].join(", ");
const UPLOAD = ["id", ...UPLOAD_COLUMNS].join(", ");
const NOTICE = ["id", "subscriber", ...NOTICE_COLUMNS].join(", ");
const PENDING = `state = ${FILE_CODE.PENDING}`;
const DUE = `state = ${NOTICE_CODE.DUE}`;

export const UPLOADS = {
  insert: `INSERT INTO uploads (${UPLOAD}) VALUES (${marks(UPLOAD_COLUMNS.length + 1)}) ON CONFLICT DO NOTHING`,
  get: `SELECT ${UPLOAD} FROM uploads WHERE id = ?`,
  update: `UPDATE uploads SET ${assignments(UPLOAD_COLUMNS)} WHERE id = ? AND revision = ?`,
  stateOf: "SELECT state FROM uploads WHERE seq = ?",
  seqOf: "SELECT seq FROM uploads WHERE id = ?",
  idOf: "SELECT id FROM uploads WHERE seq = ?",
} as const;

/** Takes the id of the upload before the page (only if `after` is set) and the limit. */
export function listUploadsSql(page: Pick<UploadPage, "after" | "states" | "cleanupDue">): string {
  const terms = [
    ...(page.after === undefined ? [] : ["seq > (SELECT seq FROM uploads WHERE id = ?)"]),
    ...(page.states === undefined ? [] : [`state IN (${page.states.map((state) => UPLOAD_CODE[state]).join(", ")})`]),
    ...(page.cleanupDue ? ["cleanup_due = 1"] : []),
  ];
  return `SELECT ${UPLOAD} FROM uploads ${terms.length > 0 ? `WHERE ${terms.join(" AND ")} ` : ""}ORDER BY seq LIMIT ?`;
}

/** Size, too, because the counters are changed by those of `before`. */
const AS_BEFORE = "upload = ? AND path = ? AND revision = ? AND state = ? AND fence = ? AND size = ?";

export const FILES = {
  insert: `INSERT INTO files (upload, ${FILE}) VALUES (${marks(FILE_COLUMNS.length + 2)}) ON CONFLICT DO NOTHING`,
  update: `UPDATE files SET ${assignments(FILE_COLUMNS)} WHERE ${AS_BEFORE}`,
  move: `UPDATE files SET ${assignments(MOVE_COLUMNS)} WHERE ${AS_BEFORE}`,
  get: `SELECT ${FILE} FROM files WHERE upload = ? AND path = ?`,
  due: `SELECT ${FILE} FROM files INDEXED BY files_pending
    WHERE upload = ? AND ${PENDING} AND next_attempt_at <= ? ORDER BY next_attempt_at, path LIMIT ?`,
  beyond: `SELECT ${FILE} FROM files INDEXED BY files_pending
    WHERE upload = ? AND ${PENDING} AND next_attempt_at > ? ORDER BY next_attempt_at, path LIMIT ?`,
  earliest: `SELECT next_attempt_at FROM files INDEXED BY files_pending
    WHERE upload = ? AND ${PENDING} ORDER BY next_attempt_at LIMIT 1`,
  latest: `SELECT next_attempt_at FROM files INDEXED BY files_pending
    WHERE upload = ? AND ${PENDING} ORDER BY next_attempt_at DESC LIMIT 1`,
  earliestFailed: `SELECT next_attempt_at FROM files INDEXED BY files_failed
    WHERE upload = ? AND state = ${FILE_CODE.FAILED} ORDER BY next_attempt_at LIMIT 1`,
  byKeyHash: `SELECT ${FILE} FROM files INDEXED BY files_key WHERE upload = ? AND key_hash = ? AND key = ? LIMIT 1`,
} as const;

export const KEYS = {
  state: "SELECT keys_hashed FROM uploads WHERE seq = ?",
  /** New state, upload, state of before. */
  setState: "UPDATE uploads SET keys_hashed = ? WHERE seq = ? AND keys_hashed = ?",
  paths: "SELECT path FROM files WHERE upload = ? AND path > ? ORDER BY path LIMIT ?",
  hash: "UPDATE files SET key_hash = key_hash(key) WHERE upload = ? AND path > ? AND path <= ? AND key_hash IS NULL",
} as const;

/** Takes, for each state asked for or once: upload, path to start after and `dueBy` if set; then the limit. */
export function listFilesSql(page: Pick<FilePage, "states" | "withTransfer" | "dueBy">): string {
  const common = ["upload = ?", "path > ?", ...(page.dueBy === undefined ? [] : ["next_attempt_at <= ?"])];
  if (page.withTransfer) {
    const among = page.states?.map((state) => FILE_CODE[state]).join(", ");
    const terms = [...common, "transfer IS NOT NULL", ...(among === undefined ? [] : [`state IN (${among})`])];
    return `SELECT ${FILE} FROM files INDEXED BY files_transfer WHERE ${terms.join(" AND ")} ORDER BY path LIMIT ?`;
  }
  if (page.states === undefined) return `SELECT ${FILE} FROM files WHERE ${common.join(" AND ")} ORDER BY path LIMIT ?`;
  const ofState = (code: number) =>
    `SELECT ${FILE} FROM files INDEXED BY files_by_state WHERE ${[...common, `state = ${code}`].join(" AND ")}`;
  // SQLite merges the states' runs, each in path order already, instead of sorting them.
  const runs = page.states.map((state) => ofState(FILE_CODE[state]));
  return `${runs.join(" UNION ALL ")} ORDER BY path LIMIT ?`;
}

export const PARTS = {
  put: "INSERT OR REPLACE INTO parts (upload, path, number, size, etag, checksum) VALUES (?, ?, ?, ?, ?, ?)",
  list: "SELECT number, size, etag, checksum FROM parts WHERE upload = ? AND path = ? ORDER BY number",
  drop: "DELETE FROM parts WHERE upload = ? AND path = ?",
} as const;

export const COUNTERS = {
  get: "SELECT state, files, bytes FROM counters WHERE upload = ?",
  add: `INSERT INTO counters (upload, state, files, bytes) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes`,
} as const;

const HELD = `FROM counters CROSS JOIN files INDEXED BY files_by_state
  ON files.upload = counters.upload AND files.state = ${FILE_CODE.IN_PROGRESS}
  WHERE counters.state = ${FILE_CODE.IN_PROGRESS} AND counters.files > 0`;

export const OWNERS = {
  /** Few rows: the files that are being sent at this moment. */
  holding: `SELECT DISTINCT owner ${HELD}`,
  heldBy: `SELECT files.upload, ${FILE_COLUMNS.reduce((list, column) => `${list}, files.${column}`, "path")} ${HELD} AND owner IS ? LIMIT ?`,
  get: "SELECT * FROM owners WHERE name = ?",
  list: "SELECT * FROM owners",
  beat: `INSERT OR REPLACE INTO owners (name, lease_ms, beat_wall, beat_monotonic, host, boot, pid_space, pid, started)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  forget: "DELETE FROM owners WHERE name = ?",
} as const;

export const NOTICES = {
  insert: `INSERT INTO notices (${NOTICE}) VALUES (${marks(NOTICE_COLUMNS.length + 2)}) ON CONFLICT DO NOTHING`,
  get: `SELECT ${NOTICE} FROM notices WHERE id = ?`,
  due: `SELECT ${NOTICE} FROM notices INDEXED BY notices_due
    WHERE subscriber = ? AND ${DUE} AND next_attempt_at <= ? ORDER BY next_attempt_at, id LIMIT ?`,
  beyond: `SELECT ${NOTICE} FROM notices INDEXED BY notices_due
    WHERE subscriber = ? AND ${DUE} AND next_attempt_at > ? ORDER BY next_attempt_at, id LIMIT ?`,
  earliest: `SELECT next_attempt_at FROM notices INDEXED BY notices_due
    WHERE subscriber = ? AND ${DUE} ORDER BY next_attempt_at LIMIT 1`,
  update: `UPDATE notices SET ${assignments(NOTICE_COLUMNS)} WHERE id = ? AND revision = ?`,
  remove: "DELETE FROM notices WHERE id = ? AND revision = ?",
} as const;

/** Takes `runs` times: the subscriber if set, and the id to start after; then the limit. */
export function listNoticesSql(page: Pick<NoticePage, "subscriber" | "states">): {
  readonly sql: string;
  readonly runs: number;
} {
  const { subscriber, states } = page;
  if (subscriber === undefined && states === undefined) {
    return { sql: `SELECT ${NOTICE} FROM notices WHERE id > ? ORDER BY id LIMIT ?`, runs: 1 };
  }
  const among = subscriber === undefined ? "notices_by_state WHERE" : "notices_of_subscriber WHERE subscriber = ? AND";
  // Merged, as the runs of `listFilesSql` are.
  const runs = [...new Set(states ?? NOTICE_STATES)].map(
    (state) => `SELECT ${NOTICE} FROM notices INDEXED BY ${among} id > ? AND state = ${NOTICE_CODE[state]}`,
  );
  return { sql: `${runs.join(" UNION ALL ")} ORDER BY id LIMIT ?`, runs: runs.length };
}
