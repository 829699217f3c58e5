import assert from "node:assert/strict";
import {
  type FileChange,
  type FileRecord,
  HISTORY_KINDS,
  type HistoryEntry,
  type Notice,
  newFile,
  newUpload,
  reduceFile,
  reduceUpload,
  STEP_OUTCOMES,
  type StateStore,
  type StepTrace,
  type UploadRecord,
} from "@bucketline/core";

/** An instant for records, in milliseconds since 1970. */
export const NOW = Date.UTC(2026, 0, 1);
export const FAR = NOW + 1e12;

export function anUpload(id: string): UploadRecord {
  const spec = {
    sourceFolder: "/photos",
    bucket: "bucket",
    pattern: ["**/*.jpg"],
    exclude: [],
    dot: false,
    keyTemplate: "{id}/{path}",
    mode: "watch",
    symlinks: "skip",
    overwrite: "always",
    minSize: null,
    maxSize: null,
    minAge: null,
    maxAge: null,
    priority: 0,
    compare: "stat",
    onSourceDelete: "keep",
    afterUpload: "keep",
    drop: null,
    deleteLimit: { files: 1_000, share: 0.5 },
    rootMarker: null,
    schedule: null,
    maxUnstableAge: null,
    activeHours: null,
    bandwidthLimit: null,
    host: null,
    pipeline: null,
    keySuffix: "",
    storeLocation: "http://store.example.net:9000",
    object: { contentType: "image/jpeg", metadata: { origin: "camera 1" } },
  } as const;
  return newUpload(id, spec, NOW);
}

export function aFile(path: string, overrides: Partial<FileRecord> = {}): FileRecord {
  const facts = { size: 10, mtimeNs: 1_767_225_600_123_456_789n, fingerprint: `1:2:10:${path.length}:4` };
  return { ...newFile({ uploadId: "u", path, key: `u/${path}`, ...facts }, NOW), ...overrides };
}

export const added = (after: FileRecord): FileChange => ({ before: null, after });

/** A store in which upload `u` is in progress and has these files. */
export async function seed(store: StateStore, files: readonly FileRecord[]): Promise<void> {
  await store.insertUpload(reduceUpload(anUpload("u"), { type: "start" }, NOW));
  await insert(store, files);
}

export async function insert(store: StateStore, files: readonly FileRecord[]): Promise<void> {
  const outcomes = await store.commit(files.map(added));
  assert.deepEqual(
    outcomes,
    files.map(() => "applied"),
    "new files are applied",
  );
}

export async function write(store: StateStore, before: FileRecord, after: FileRecord, parts?: FileChange["parts"]) {
  assert.deepEqual(await store.commit([{ before, after, ...(parts ? { parts } : {}) }]), ["applied"]);
  return after;
}

export const take = (owner: string) => (file: FileRecord) => reduceFile(file, { type: "claim", owner }, NOW);

export const release = (file: FileRecord) => reduceFile(file, { type: "release", burnt: true }, NOW);

export function claim(store: StateStore, owner: string, limit: number, now = NOW): Promise<FileRecord[]> {
  return store.claim({ uploadId: "u", uploadState: "IN_PROGRESS", limit, now, horizon: FAR, take: take(owner) });
}

/** Everything a listing holds, page by page. */
export async function listAll(store: StateStore, page: Omit<Parameters<StateStore["listFiles"]>[1], "after">) {
  const all: FileRecord[] = [];
  for (let after: string | undefined; ; ) {
    const files = await store.listFiles("u", { ...page, after });
    assert.ok(files.length <= page.limit, "a page holds no more than its limit");
    assert.ok(!files.some((file) => file.path === after), "a page starts after the path it was asked to start after");
    all.push(...files);
    if (files.length < page.limit) return all;
    after = files.at(-1)?.path;
  }
}

export const paths = (files: readonly FileRecord[]) => files.map((file) => file.path);

export const aTransfer = (token: string, overrides = {}) => ({
  token,
  key: "u/a",
  fingerprint: "1:2:10:3:4",
  partSize: 5_242_880,
  multipartId: "multipart-1",
  startedAt: NOW,
  ...overrides,
});

export const aPart = (partNumber: number, etag = `"etag-${partNumber}"`) =>
  ({ partNumber, size: 5_242_880, etag, checksum: "crc32:00c0ffee" }) as const;

export const someEvidence = (overrides = {}) =>
  ({
    key: "u/a",
    size: 10,
    etag: '"etag"',
    versionId: null,
    checksum: "crc32:00c0ffee",
    fingerprint: "1:2:10:3:4",
    uploadedAt: NOW,
    ...overrides,
  }) as const;

export const SUBSCRIBER = "hooks";

/** A notice that a file has failed. */
export function aNotice(id: string, overrides: Partial<Notice> = {}): Notice {
  const reason = { code: "ACCESS_DENIED", message: "It may not be written." } as const;
  const file = { uploadId: "u", path: "a", key: "u/a", state: "FAILED", size: 10, attempts: 1 } as const;
  return {
    id,
    subscriber: SUBSCRIBER,
    event: "file:failed",
    payload: { ...file, reason },
    state: "DUE",
    revision: 1,
    attempts: 0,
    nextAttemptAt: 0,
    reason: null,
    createdAt: NOW,
    updatedAt: NOW,
    ...overrides,
  };
}

/** As many entries, of every kind. */
export const someHistory = (count: number): HistoryEntry[] =>
  Array.from({ length: count }, (_, n) => {
    const what = HISTORY_KINDS[n % HISTORY_KINDS.length] ?? "fail";
    const reason =
      n % 3 === 2 ? null : ({ code: "STORE_THROTTLED", message: `said "SlowDown"\n ${n} \u{1f5fb}` } as const);
    return { at: NOW + n, what, attempt: n * 1_000_000_000, reason };
  });

export const someSteps = (count: number): StepTrace[] =>
  Array.from({ length: count }, (_, n) => ({
    step: `step-${n}.gz`,
    startedAt: NOW + n,
    endedAt: NOW + 2 * n,
    outcome: STEP_OUTCOMES[n % STEP_OUTCOMES.length] ?? "passed",
    bytesIn: n === 0 ? Number.MAX_SAFE_INTEGER : n,
    bytesOut: n * 1_000_000_000,
    message: n % 3 === 2 ? null : `said "no"\n ${n} \u{1f5fb}`,
  }));

/** Small, fast and repeatable: mulberry32 (Tommy Ettinger, public domain), uniform in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
