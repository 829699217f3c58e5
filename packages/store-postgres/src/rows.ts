import { crc32 } from "node:zlib";
import type { Checksum, Evidence, FileRecord, FinishedPart, Notice, NoticeEvent, UploadRecord } from "@bucketline/core";
import { FILE_CODE, fileStateOf, NOTICE_CODE, noticeStateOf, UPLOAD_CODE, uploadStateOf } from "./states.ts";
import { fromBytes, isLongKey, toBytes, toJson } from "./text.ts";

/** As the driver sends it; Buffers become `bytea`. */
export type Value = string | number | boolean | Buffer | null;
/** As the server writes it, in text form, whatever parsers the application has given the driver. */
export type Cell = string | null;
export type Row = readonly Cell[];

export type ColumnType = "int2" | "int4" | "int8" | "numeric" | "bytea" | "json" | "bool";
export type Columns = readonly (readonly [name: string, type: ColumnType])[];

/** In the order of `encodeFile` and `decodeFile`; what a write replaces. */
export const FILE_COLUMNS: Columns = [
  ["state", "int2"],
  ["revision", "int8"],
  ["key", "bytea"],
  ["key_hash", "int4"],
  ["size", "int8"],
  ["mtime_ns", "numeric"],
  ["fingerprint", "bytea"],
  ["attempts", "int8"],
  ["next_attempt_at", "int8"],
  ["unstable_since", "int8"],
  ["owner", "bytea"],
  ["fence", "int8"],
  ["reason", "json"],
  ["transfer", "json"],
  ["has_transfer", "bool"],
  ["evidence", "json"],
  ["history", "json"],
  ["steps", "json"],
  ["created_at", "int8"],
  ["updated_at", "int8"],
];

export const FILE_ID: Columns = [
  ["upload", "int4"],
  ["path", "bytea"],
];

export const LONG_PATH = ["long_path", "bytea"] as const;

/** In the order of `encodeUpload` and `decodeUpload`; what a write replaces. */
export const UPLOAD_COLUMNS: Columns = [
  ["state", "int2"],
  ["revision", "int8"],
  ["cleanup_due", "bool"],
  ["created_at", "int8"],
  ["updated_at", "int8"],
  ["finished_at", "int8"],
  ["spec", "json"],
  ["reason", "json"],
  ["last_scan", "json"],
  ["scanner", "bytea"],
];

/** Bytes go as hexadecimal digits: what `bytea_output` says does not matter then. */
export function selectList(columns: Columns, table?: string): string {
  const prefix = table === undefined ? "" : `${table}.`;
  return columns
    .map(([name, type]) => (type === "bytea" ? `encode(${prefix}${name}, 'hex')` : prefix + name))
    .join(", ");
}

/** What statements read of a file, for `decodeFile`. */
export const FILE_SELECTED: Columns = [...FILE_ID, LONG_PATH, ...FILE_COLUMNS];

export function keyHashOf(key: string): number {
  return crc32(key) | 0;
}

export function encodeFile(file: FileRecord): Value[] {
  return [
    FILE_CODE[file.state],
    file.revision,
    toBytes(file.key),
    keyHashOf(file.key),
    file.size,
    String(file.mtimeNs),
    toBytes(file.fingerprint),
    file.attempts,
    file.nextAttemptAt,
    file.unstableSince,
    bytesOrNull(file.owner),
    file.fence,
    jsonOrNull(file.reason),
    jsonOrNull(file.transfer),
    file.transfer !== null,
    encodeEvidence(file),
    file.history.length === 0 ? null : toJson(file.history),
    file.steps.length === 0 ? null : toJson(file.steps),
    file.createdAt,
    file.updatedAt,
  ];
}

/** The path itself where its key does not hold it all. */
export function encodeLongPath(path: string, key: Buffer): Buffer | null {
  return isLongKey(key) ? toBytes(path) : null;
}

/** A row of FILE_SELECTED. */
export function decodeFile(uploadId: string, row: Row): FileRecord {
  const [, path, longPath, state, revision, key, , size, mtimeNs, fingerprint, attempts, nextAttemptAt] = row;
  const facts = { key: text(key), size: Number(size), fingerprint: text(fingerprint) };
  return {
    uploadId,
    path: text(longPath ?? path),
    ...facts,
    mtimeNs: BigInt(mtimeNs ?? ""),
    state: fileStateOf(Number(state)),
    revision: Number(revision),
    attempts: Number(attempts),
    nextAttemptAt: Number(nextAttemptAt),
    unstableSince: numberOrNull(row[12]),
    owner: textOrNull(row[13]),
    fence: Number(row[14]),
    reason: parsed(row[15]),
    transfer: parsed(row[16]),
    evidence: decodeEvidence(row[18], facts),
    history: parsed(row[19]) ?? [],
    steps: parsed(row[20]) ?? [],
    createdAt: Number(row[21]),
    updatedAt: Number(row[22]),
  };
}

/** Of a row of FILE_SELECTED, in hexadecimal digits; empty when there is none. */
export const ownerOf = (row: Row): string => row[13] ?? "";

/** Evidence mostly has the file's own key, size and fingerprint: then they are left out. */
function encodeEvidence({ evidence, key, size, fingerprint }: FileRecord): string | null {
  if (evidence === null) return null;
  const own: Record<string, unknown> = { key, size, fingerprint };
  return toJson(Object.fromEntries(Object.entries(evidence).filter(([name, value]) => own[name] !== value)));
}

function decodeEvidence(json: Cell | undefined, own: Pick<Evidence, "key" | "size" | "fingerprint">): Evidence | null {
  const evidence = parsed(json);
  if (evidence === null) return null;
  const { key, size, etag, versionId, checksum, fingerprint, uploadedAt, sourceChecksum } = { ...own, ...evidence };
  const source = sourceChecksum === undefined ? {} : { sourceChecksum };
  return { key, size, etag, versionId, checksum, fingerprint, uploadedAt, ...source };
}

export const PART_COLUMNS: Columns = [
  ["number", "int4"],
  ["size", "int8"],
  ["etag", "bytea"],
  ["checksum", "bytea"],
];

export function encodePart({ partNumber, size, etag, checksum }: FinishedPart): Value[] {
  return [partNumber, size, toBytes(etag), toBytes(checksum)];
}

export function decodePart([number, size, etag, checksum]: Row): FinishedPart {
  return {
    partNumber: Number(number),
    size: Number(size),
    etag: text(etag),
    checksum: text(checksum) as Checksum,
  };
}

export function encodeUpload(upload: UploadRecord): Value[] {
  return [
    UPLOAD_CODE[upload.state],
    upload.revision,
    upload.cleanupDue,
    upload.createdAt,
    upload.updatedAt,
    upload.finishedAt,
    toJson(upload.spec),
    jsonOrNull(upload.reason),
    jsonOrNull(upload.lastScan),
    bytesOrNull(upload.scanner),
  ];
}

/** The id, then UPLOAD_COLUMNS. */
export function decodeUpload(row: Row): UploadRecord {
  const [id, state, revision, cleanupDue, createdAt, updatedAt, finishedAt, spec, reason, lastScan, scanner] = row;
  return {
    id: text(id),
    spec: parsed(spec),
    state: uploadStateOf(Number(state)),
    revision: Number(revision),
    reason: parsed(reason),
    lastScan: parsed(lastScan),
    scanner: textOrNull(scanner),
    cleanupDue: cleanupDue === "t",
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    finishedAt: numberOrNull(finishedAt),
  };
}

/** In the order of `encodeNotice` and `decodeNotice`; what a write replaces. */
export const NOTICE_COLUMNS: Columns = [
  ["event", "bytea"],
  ["payload", "json"],
  ["state", "int2"],
  ["revision", "int8"],
  ["attempts", "int8"],
  ["next_attempt_at", "int8"],
  ["reason", "json"],
  ["created_at", "int8"],
  ["updated_at", "int8"],
];

export const NOTICE_ID: Columns = [
  ["id", "bytea"],
  ["subscriber", "bytea"],
];

export function encodeNotice(notice: Notice): Value[] {
  return [
    toBytes(notice.event),
    toJson(notice.payload),
    NOTICE_CODE[notice.state],
    notice.revision,
    notice.attempts,
    notice.nextAttemptAt,
    jsonOrNull(notice.reason),
    notice.createdAt,
    notice.updatedAt,
  ];
}

/** NOTICE_ID, then NOTICE_COLUMNS. */
export function decodeNotice(row: Row): Notice {
  const [id, subscriber, event, payload, state, revision, attempts, nextAttemptAt, reason, createdAt, updatedAt] = row;
  return {
    id: text(id),
    subscriber: text(subscriber),
    event: text(event) as NoticeEvent,
    payload: parsed(payload),
    state: noticeStateOf(Number(state)),
    revision: Number(revision),
    attempts: Number(attempts),
    nextAttemptAt: Number(nextAttemptAt),
    reason: parsed(reason),
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
  };
}

/** One array per column, as literals that the server reads into arrays. */
export function arraysOf(columns: Columns, rows: readonly (readonly Value[])[]): string[] {
  return columns.map(([, type], column) => `{${rows.map((row) => element(row[column] ?? null, type)).join(",")}}`);
}

function element(value: Value, type: ColumnType): string {
  if (value === null) return "NULL";
  if (Buffer.isBuffer(value)) return `"\\\\x${value.toString("hex")}"`;
  return type === "json" ? `"${String(value).replace(/["\\]/g, "\\$&")}"` : String(value);
}

const text = (hex: Cell | undefined): string => fromBytes(Buffer.from(hex ?? "", "hex"));
const textOrNull = (hex: Cell | undefined): string | null => (hex === null || hex === undefined ? null : text(hex));
const numberOrNull = (cell: Cell | undefined): number | null =>
  cell === null || cell === undefined ? null : Number(cell);
const bytesOrNull = (value: string | null): Buffer | null => (value === null ? null : toBytes(value));
const jsonOrNull = (value: object | null): string | null => (value === null ? null : toJson(value));
const parsed = (json: Cell | undefined) => (json === null || json === undefined ? null : JSON.parse(json));
