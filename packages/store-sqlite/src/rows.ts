import type { Checksum, Evidence, FileRecord, FinishedPart, Notice, NoticeEvent, UploadRecord } from "@bucketline/core";
import { FILE_CODE, fileStateOf, NOTICE_CODE, noticeStateOf, UPLOAD_CODE, uploadStateOf } from "./states.ts";

export type Bound = string | number | null;

const SECOND = 1_000_000_000n;
const json = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));
const parsed = (text: string | null) => (text === null ? null : JSON.parse(text));

/** In the order of `encodeFile` and `decodeFile`; what a write replaces. */
export const FILE_COLUMNS = [
  ...[
    "state",
    "revision",
    "key",
    "key_hash",
    "size",
    "mtime_s",
    "mtime_ns",
    "fingerprint",
    "attempts",
    "next_attempt_at",
  ],
  ...["owner", "fence", "reason", "transfer", "evidence_key", "evidence_size", "evidence_etag", "evidence_version"],
  ...["evidence_checksum", "evidence_fingerprint", "evidence_at", "created_at", "updated_at", "unstable_since"],
  ...["history", "steps", "evidence_source"],
] as const;

/** In the order of `encodeMove`; what a claim, and giving it back, change. */
export const MOVE_COLUMNS = [
  "state",
  "revision",
  "attempts",
  "next_attempt_at",
  "owner",
  "fence",
  "updated_at",
] as const satisfies readonly (typeof FILE_COLUMNS)[number][];

/** @returns undefined when more has changed: then all is to be written */
export function encodeMove(before: FileRecord, after: FileRecord): Bound[] | undefined {
  const { state, revision, attempts, nextAttemptAt, owner, fence, updatedAt } = after;
  const isSame =
    before.key === after.key &&
    before.size === after.size &&
    before.mtimeNs === after.mtimeNs &&
    before.fingerprint === after.fingerprint &&
    before.unstableSince === after.unstableSince &&
    before.createdAt === after.createdAt &&
    before.reason === after.reason &&
    before.transfer === after.transfer &&
    before.evidence === after.evidence &&
    before.history === after.history &&
    before.steps === after.steps;
  return isSame ? [FILE_CODE[state], revision, attempts, nextAttemptAt, owner, fence, updatedAt] : undefined;
}

export function encodeFile(file: FileRecord, keyHash: number | null): Bound[] {
  const evidence = file.evidence;
  return [
    FILE_CODE[file.state],
    file.revision,
    file.key,
    keyHash,
    file.size,
    Number(file.mtimeNs / SECOND),
    Number(file.mtimeNs % SECOND),
    file.fingerprint,
    file.attempts,
    file.nextAttemptAt,
    file.owner,
    file.fence,
    json(file.reason),
    json(file.transfer),
    evidence === null || evidence.key === file.key ? null : evidence.key,
    evidence === null || evidence.size === file.size ? null : evidence.size,
    evidence?.etag ?? null,
    evidence?.versionId ?? null,
    evidence?.checksum ?? null,
    evidence === null || evidence.fingerprint === file.fingerprint ? null : evidence.fingerprint,
    evidence?.uploadedAt ?? null,
    file.createdAt,
    file.updatedAt,
    file.unstableSince,
    file.history.length === 0 ? null : JSON.stringify(file.history),
    file.steps.length === 0 ? null : JSON.stringify(file.steps),
    evidence?.sourceChecksum ?? null,
  ];
}

/** `path`, then FILE_COLUMNS. */
export type FileRow = [
  ...[path: string, state: number, revision: number, key: string, keyHash: number | null, size: number, mtimeS: number],
  ...[
    mtimeNs: number,
    fingerprint: string,
    attempts: number,
    nextAttemptAt: number,
    owner: string | null,
    fence: number,
  ],
  ...[reason: string | null, transfer: string | null, evidenceKey: string | null, evidenceSize: number | null],
  ...[etag: string | null, versionId: string | null, checksum: string | null, evidenceFingerprint: string | null],
  ...[uploadedAt: number | null, createdAt: number, updatedAt: number],
  unstableSince: number | null,
  ...[history: string | null, steps: string | null, evidenceSource: string | null],
];

export function decodeFile(uploadId: string, row: FileRow): FileRecord {
  const [path, state, revision, key, , size, mtimeS, mtimeNs, fingerprint, attempts, nextAttemptAt, owner, fence] = row;
  return {
    uploadId,
    path,
    key,
    size,
    mtimeNs: BigInt(mtimeS) * SECOND + BigInt(mtimeNs),
    fingerprint,
    state: fileStateOf(state),
    revision,
    attempts,
    nextAttemptAt,
    unstableSince: row[24],
    owner,
    fence,
    reason: parsed(row[13]),
    transfer: parsed(row[14]),
    evidence: decodeEvidence(row),
    history: parsed(row[25]) ?? [],
    steps: parsed(row[26]) ?? [],
    createdAt: row[22],
    updatedAt: row[23],
  };
}

function decodeEvidence(row: FileRow): Evidence | null {
  const [etag, versionId, checksum] = [row[17], row[18], row[19]];
  if (etag === null) return null;
  return {
    key: row[15] ?? row[3],
    size: row[16] ?? row[5],
    etag,
    versionId,
    checksum: checksum as Checksum,
    fingerprint: row[20] ?? row[8],
    uploadedAt: row[21] as number,
    ...(row[27] !== null && { sourceChecksum: row[27] as Checksum }),
  };
}

export type PartRow = [partNumber: number, size: number, etag: string, checksum: string];

export const encodePart = ({ partNumber, size, etag, checksum }: FinishedPart): Bound[] => [
  partNumber,
  size,
  etag,
  checksum,
];

export const decodePart = ([partNumber, size, etag, checksum]: PartRow): FinishedPart => ({
  partNumber,
  size,
  etag,
  checksum: checksum as Checksum,
});

/** In the order of `encodeUpload` and `decodeUpload`; what a write replaces. */
export const UPLOAD_COLUMNS = [
  ...[
    "state",
    "revision",
    "cleanup_due",
    "created_at",
    "updated_at",
    "finished_at",
    "spec",
    "reason",
    "last_scan",
    "scanner",
  ],
] as const;

export function encodeUpload(upload: UploadRecord): Bound[] {
  return [
    UPLOAD_CODE[upload.state],
    upload.revision,
    upload.cleanupDue ? 1 : 0,
    upload.createdAt,
    upload.updatedAt,
    upload.finishedAt === null ? null : upload.finishedAt,
    JSON.stringify(upload.spec),
    json(upload.reason),
    json(upload.lastScan),
    upload.scanner,
  ];
}

export type UploadRow = [
  ...[id: string, state: number, revision: number, cleanupDue: number, createdAt: number, updatedAt: number],
  ...[finishedAt: number | null, spec: string, reason: string | null, lastScan: string | null, scanner: string | null],
];

export function decodeUpload(row: UploadRow): UploadRecord {
  const [id, state, revision, cleanupDue, createdAt, updatedAt, finishedAt, spec, reason, lastScan, scanner] = row;
  return {
    id,
    spec: JSON.parse(spec),
    state: uploadStateOf(state),
    revision,
    reason: parsed(reason),
    lastScan: parsed(lastScan),
    scanner,
    cleanupDue: cleanupDue === 1,
    createdAt,
    updatedAt,
    finishedAt,
  };
}

/** In the order of `encodeNotice` and `decodeNotice`; what a write replaces. */
export const NOTICE_COLUMNS = [
  ...["event", "payload", "state", "revision", "attempts", "next_attempt_at", "reason", "created_at", "updated_at"],
] as const;

export function encodeNotice(notice: Notice): Bound[] {
  return [
    notice.event,
    JSON.stringify(notice.payload),
    NOTICE_CODE[notice.state],
    notice.revision,
    notice.attempts,
    notice.nextAttemptAt,
    json(notice.reason),
    notice.createdAt,
    notice.updatedAt,
  ];
}

/** `id` and `subscriber`, then NOTICE_COLUMNS. */
export type NoticeRow = [
  ...[id: string, subscriber: string, event: string, payload: string, state: number, revision: number],
  ...[attempts: number, nextAttemptAt: number, reason: string | null, createdAt: number, updatedAt: number],
];

export function decodeNotice(row: NoticeRow): Notice {
  const [id, subscriber, event, payload, state, revision, attempts, nextAttemptAt, reason, createdAt, updatedAt] = row;
  return {
    id,
    subscriber,
    event: event as NoticeEvent,
    payload: JSON.parse(payload),
    state: noticeStateOf(state),
    revision,
    attempts,
    nextAttemptAt,
    reason: parsed(reason),
    createdAt,
    updatedAt,
  };
}
