import { hash } from "node:crypto";
import { type FilePage, NOTICE_STATES, type NoticePage, type UploadPage } from "@bucketline/core";
import {
  type Columns,
  FILE_COLUMNS,
  FILE_ID,
  FILE_SELECTED,
  LONG_PATH,
  NOTICE_COLUMNS,
  NOTICE_ID,
  PART_COLUMNS,
  selectList,
  UPLOAD_COLUMNS,
} from "./rows.ts";
import { FILE_CODE, NOTICE_CODE, UPLOAD_CODE } from "./states.ts";

export interface Statement {
  /** Of its text, so that one connection may serve several schemas and versions. */
  readonly name: string;
  readonly text: string;
}

export type Statements = ReturnType<typeof statementsOf>;

export const NEW_FILE: Columns = [...FILE_ID, LONG_PATH, ...FILE_COLUMNS];
export const CHANGED_FILE: Columns = [
  ["n", "int4"],
  ...FILE_ID,
  ["before_revision", "int8"],
  ["before_state", "int2"],
  ["before_size", "int8"],
  ["before_fence", "int8"],
  ...FILE_COLUMNS.map(([name, type]) => [`new_${name}`, type] as const),
];
export const NEW_PART: Columns = [...FILE_ID, ...PART_COLUMNS];
export const NEW_NOTICE: Columns = [...NOTICE_ID, ...NOTICE_COLUMNS];
export const COUNTER: Columns = [
  ["upload", "int4"],
  ["state", "int2"],
  ["files", "int8"],
  ["bytes", "int8"],
];

const FILE = selectList(FILE_SELECTED, "f");
const UPLOAD = `encode(id, 'hex'), ${selectList(UPLOAD_COLUMNS)}`;
const PENDING = `state = ${FILE_CODE.PENDING}`;
const HELD = `state = ${FILE_CODE.IN_PROGRESS}`;

const names = (columns: Columns) => columns.map(([name]) => name).join(", ");
const marks = (columns: Columns, first = 1) => columns.map(([, type], n) => `$${n + first}::${type}`).join(", ");
const unnested = (columns: Columns) => `unnest(${columns.map(([, type], n) => `$${n + 1}::${type}[]`).join(", ")})`;

export function statement(text: string): Statement {
  return { name: `bucketline_${hash("sha1", text).slice(0, 16)}`, text };
}

/** @param schema the quoted name */
export function statementsOf(schema: string) {
  return {
    uploads: uploadStatements(schema),
    files: fileStatements(schema),
    writes: writeStatements(schema),
    owners: ownerStatements(schema),
    notices: noticeStatements(schema),
  };
}

function uploadStatements(schema: string) {
  const uploads = `${schema}.uploads`;
  const sets = UPLOAD_COLUMNS.map(([name, type], n) => `${name} = $${n + 3}::${type}`).join(", ");
  return {
    insert:
      statement(`INSERT INTO ${uploads} (id, ${names(UPLOAD_COLUMNS)}) VALUES ($1::bytea, ${marks(UPLOAD_COLUMNS, 2)})
      ON CONFLICT (id) DO NOTHING RETURNING seq`),
    get: statement(`SELECT ${UPLOAD} FROM ${uploads} WHERE id = $1::bytea`),
    update: statement(`UPDATE ${uploads} SET ${sets} WHERE id = $1::bytea AND revision = $2::int8 RETURNING seq`),
    /** An expression; takes the id's bytes as hexadecimal digits. */
    stateOf: (id: string) => `(SELECT state FROM ${uploads} WHERE id = decode('${id}', 'hex'))`,
    seqsOf: statement(`SELECT encode(id, 'hex'), seq FROM ${uploads} WHERE id = ANY($1::bytea[])`),
    idsOf: statement(`SELECT seq, encode(id, 'hex') FROM ${uploads} WHERE seq = ANY($1::int4[])`),
    /** Takes the limit, then the id of the upload before the page if `after` is set. */
    list: (page: Pick<UploadPage, "after" | "states" | "cleanupDue">) => {
      const terms = [
        ...(page.after === undefined ? [] : [`seq > (SELECT seq FROM ${uploads} WHERE id = $2::bytea)`]),
        ...(page.states === undefined ? [] : [among(page.states.map((state) => UPLOAD_CODE[state]))]),
        ...(page.cleanupDue ? ["cleanup_due"] : []),
      ];
      const where = terms.length > 0 ? `WHERE ${terms.join(" AND ")} ` : "";
      return statement(`SELECT ${UPLOAD} FROM ${uploads} ${where}ORDER BY seq LIMIT $1::int8`);
    },
  };
}

function fileStatements(schema: string) {
  const files = `${schema}.files f`;
  const due = `upload = $1::int4 AND ${PENDING} AND next_attempt_at`;
  const nextOf = (terms: string) =>
    `SELECT next_attempt_at FROM ${files} WHERE upload = $1::int4 AND ${terms} ORDER BY next_attempt_at`;
  const taken = "ORDER BY next_attempt_at, path LIMIT $3::int8 FOR UPDATE SKIP LOCKED";
  return {
    get: statement(`SELECT ${FILE} FROM ${files} WHERE upload = $1::int4 AND path = $2::bytea`),
    due: statement(`SELECT ${FILE} FROM ${files} WHERE ${due} <= $2::int8 ${taken}`),
    beyond: statement(`SELECT ${FILE} FROM ${files} WHERE ${due} > $2::int8 ${taken}`),
    // The first and the last entry of an index answer these.
    isAnyDue: statement(
      `SELECT (${nextOf(PENDING)} LIMIT 1) <= $2::int8 OR (${nextOf(PENDING)} DESC LIMIT 1) > $3::int8`,
    ),
    isAnyFailedDue: statement(`SELECT (${nextOf(`state = ${FILE_CODE.FAILED}`)} LIMIT 1) <= $2::int8`),
    nextDue: statement(`${nextOf(PENDING)} LIMIT 1`),
    byKey: statement(`SELECT ${FILE} FROM ${files}
      WHERE upload = $1::int4 AND key_hash = $2::int4 AND key = $3::bytea LIMIT 1`),
    counters: statement(`SELECT state, sum(files), sum(bytes) FROM ${schema}.counters
      WHERE upload = $1::int4 GROUP BY state`),
    parts: statement(`SELECT ${selectList(PART_COLUMNS)} FROM ${schema}.parts
      WHERE upload = $1::int4 AND path = $2::bytea ORDER BY number`),
    list: (page: ListShape) => listStatement(files, page),
  };
}

export type ListShape = Pick<FilePage, "states" | "withTransfer" | "dueBy"> & {
  /** Also takes a key that the page ends before. */
  readonly isBounded?: boolean;
};

/** Takes upload, key to start after, limit; then `dueBy`, and the key to end before, where they are set. */
function listStatement(files: string, { states, withTransfer, dueBy, isBounded }: ListShape): Statement {
  const common = [
    ...["upload = $1::int4", "path > $2::bytea"],
    ...(dueBy === undefined ? [] : ["next_attempt_at <= $4::int8"]),
    ...(isBounded ? [`path < $${dueBy === undefined ? 4 : 5}::bytea`] : []),
  ];
  const codes = states && [...new Set(states.map((state) => FILE_CODE[state]))];
  const select = (terms: readonly string[]) => `SELECT * FROM ${files} WHERE ${[...common, ...terms].join(" AND ")}`;
  const rows = () => {
    if (withTransfer) return select(["has_transfer", ...(codes ? [among(codes)] : [])]);
    if (codes === undefined) return select([]);
    // The server merges the states' runs, each in path order already.
    const runs = codes.map((code) => `(${select([`state = ${code}`])} ORDER BY path LIMIT $3::int8)`);
    return runs.join(" UNION ALL ");
  };
  return statement(`SELECT ${FILE} FROM (${rows()}) f ORDER BY path LIMIT $3::int8`);
}

function writeStatements(schema: string) {
  const sets = FILE_COLUMNS.map(([name]) => `${name} = c.new_${name}`).join(", ");
  const isPart = "p.upload = c.upload AND p.path = c.path";
  return {
    insert: statement(`INSERT INTO ${schema}.files (${names(NEW_FILE)})
      SELECT * FROM ${unnested(NEW_FILE)} ON CONFLICT (upload, path) DO NOTHING RETURNING upload, encode(path, 'hex')`),
    // State and size as well, so that the counters cannot be led astray by a `before` that is not the stored record.
    update: statement(`UPDATE ${schema}.files f SET ${sets} FROM ${unnested(CHANGED_FILE)} c (${names(CHANGED_FILE)})
      WHERE f.upload = c.upload AND f.path = c.path
        AND f.revision = c.before_revision AND f.state = c.before_state AND f.size = c.before_size
        AND f.fence = c.before_fence RETURNING c.n`),
    dropParts: statement(
      `DELETE FROM ${schema}.parts p USING ${unnested(FILE_ID)} c (${names(FILE_ID)}) WHERE ${isPart}`,
    ),
    putParts: statement(`INSERT INTO ${schema}.parts (${names(NEW_PART)}) SELECT * FROM ${unnested(NEW_PART)}
      ON CONFLICT (upload, path, number)
      DO UPDATE SET size = excluded.size, etag = excluded.etag, checksum = excluded.checksum`),
    /** Arrays of COUNTER, shard; then handle, slot and token. */
    finish: statement(`WITH counted AS (
        INSERT INTO ${schema}.counters AS k (${names(COUNTER)}, shard) SELECT *, $5::int2 FROM ${unnested(COUNTER)}
        ON CONFLICT (upload, state, shard)
        DO UPDATE SET files = k.files + excluded.files, bytes = k.bytes + excluded.bytes
      )
      INSERT INTO ${schema}.commits (handle, slot, token, at) VALUES ($6::bytea, $7::int4, $8::int8, clock_timestamp())
      ON CONFLICT (handle, slot) DO UPDATE SET token = excluded.token, at = excluded.at`),
    tokenOf: statement(`SELECT token FROM ${schema}.commits WHERE handle = $1::bytea AND slot = $2::int4`),
    forgetCommits: statement(`DELETE FROM ${schema}.commits
      WHERE (handle = $1::bytea AND slot <> ALL($2::int4[])) OR at < clock_timestamp() - interval '7 days'`),
    statusOf: statement("SELECT pg_xact_status($1::xid8)"),
    lock: statement("SELECT pg_advisory_xact_lock($1::int8)"),
    notify: statement("SELECT pg_notify($1::text, payload) FROM unnest($2::text[]) payload"),
  };
}

function ownerStatements(schema: string) {
  const owners = `${schema}.owners`;
  // A beat from further in the future than its lease is from before the server's clock was set back.
  const lives = "o.beat_at + o.lease > clock_timestamp() AND o.beat_at - o.lease < clock_timestamp()";
  const stale = `${HELD} AND NOT EXISTS (SELECT FROM ${owners} o WHERE o.name = f.owner AND ${lives})`;
  return {
    beat: statement(`INSERT INTO ${owners} (name, beat_at, lease)
      VALUES ($1::bytea, clock_timestamp(), $2::int8 * interval '1 millisecond')
      ON CONFLICT (name) DO UPDATE SET beat_at = excluded.beat_at, lease = excluded.lease RETURNING xmax = 0`),
    forget: statement(`DELETE FROM ${owners} WHERE name = $1::bytea`),
    forgetStale: statement(`DELETE FROM ${owners} o WHERE NOT (${lives})`),
    isAlive: statement(`SELECT EXISTS (SELECT FROM ${owners} o WHERE o.name = $1::bytea AND ${lives})`),
    isAnyStale: statement(`SELECT EXISTS (SELECT FROM ${schema}.files f WHERE ${stale})`),
    living: statement(`SELECT encode(o.name, 'hex') FROM ${owners} o WHERE o.name = ANY($1::bytea[]) AND ${lives}`),
    stale: statement(`SELECT ${FILE} FROM ${schema}.files f WHERE ${stale} LIMIT $1::int8 FOR UPDATE OF f SKIP LOCKED`),
  };
}

function noticeStatements(schema: string) {
  const notices = `${schema}.notices`;
  const select = `SELECT ${selectList(NEW_NOTICE)} FROM ${notices}`;
  const due = `subscriber = $1::bytea AND state = ${NOTICE_CODE.DUE}`;
  const current = "id = $1::bytea AND revision = $2::int8 RETURNING true";
  const sets = NOTICE_COLUMNS.map(([name, type], n) => `${name} = $${n + 3}::${type}`).join(", ");
  return {
    insert: statement(`INSERT INTO ${notices} (${names(NEW_NOTICE)}) SELECT * FROM ${unnested(NEW_NOTICE)}
      ON CONFLICT (id) DO NOTHING`),
    get: statement(`${select} WHERE id = $1::bytea`),
    due: statement(
      `${select} WHERE ${due} AND next_attempt_at <= $2::int8 ORDER BY next_attempt_at, id LIMIT $3::int8`,
    ),
    beyond: statement(
      `${select} WHERE ${due} AND next_attempt_at > $2::int8 ORDER BY next_attempt_at, id LIMIT $3::int8`,
    ),
    next: statement(`SELECT next_attempt_at FROM ${notices} WHERE ${due} ORDER BY next_attempt_at LIMIT 1`),
    update: statement(`UPDATE ${notices} SET ${sets} WHERE ${current}`),
    remove: statement(`DELETE FROM ${notices} WHERE ${current}`),
    list: (page: Pick<NoticePage, "subscriber" | "states">) => noticeListStatement(notices, page),
  };
}

/**
 * Takes limit and id to start after; then the subscriber where it is set. What to list is asked for as a range, in the
 * order of its index: beside an equation the server would take the primary key for as good, and read past all that is of
 * another kind.
 */
function noticeListStatement(notices: string, page: Pick<NoticePage, "subscriber" | "states">): Statement {
  const { subscriber, states } = page;
  const select = `SELECT ${selectList(NEW_NOTICE)} FROM`;
  const inOrder = "ORDER BY id LIMIT $1::int8";
  if (subscriber === undefined && states === undefined) {
    return statement(`${select} ${notices} WHERE id > $2::bytea ${inOrder}`);
  }
  const whose = subscriber === undefined ? [] : [["subscriber", "$3::bytea"] as const];
  const runs = [...new Set(states ?? NOTICE_STATES)].map((state) => {
    const kind = [...whose, ["state", `${NOTICE_CODE[state]}::int2`] as const];
    const columns = kind.map(([column]) => column).join(", ");
    const values = kind.map(([, value]) => value).join(", ");
    return `${notices} WHERE (${columns}, id) > (${values}, $2::bytea) AND (${columns}) <= (${values})
      ORDER BY ${columns}, id LIMIT $1::int8`;
  });
  if (runs.length === 1) return statement(`${select} ${runs[0]}`);
  // At most a page of each is put in order.
  const pages = runs.map((run) => `(SELECT * FROM ${run})`).join(" UNION ALL ");
  return statement(`${select} (${pages}) n ${inOrder}`);
}

function among(codes: readonly number[]): string {
  return codes.length === 0 ? "false" : `state IN (${codes.join(", ")})`;
}
