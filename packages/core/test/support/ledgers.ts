import { expect, onTestFinished } from "vitest";
import {
  BucketlineError,
  type Evidence,
  exportLedger,
  FILE_STATES,
  type FileRecord,
  type FinishedPart,
  HISTORY_KINDS,
  type Notice,
  STEP_OUTCOMES,
  type StateStore,
  type Transfer,
  UPLOAD_STATES,
  type UploadRecord,
} from "../../src/index.ts";
import { FakeClock, MemoryStateStore } from "../../src/testing/index.ts";
import type { Dice } from "./random.ts";
import { file, SPEC, upload } from "./records.ts";

export async function memoryStore(): Promise<MemoryStateStore> {
  const store = new MemoryStateStore({ clock: new FakeClock() });
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

export interface StoredFile {
  readonly file: FileRecord;
  readonly parts: readonly FinishedPart[];
}

/** Uploads in order of registration, each with its files in path order, their parts, and the notices about any of it. */
export type Contents = readonly {
  readonly upload: UploadRecord;
  readonly files: readonly StoredFile[];
  /** In order of their ids; undefined: none. */
  readonly notices?: readonly Notice[] | undefined;
}[];

export async function contentsOf(store: StateStore): Promise<Contents> {
  const uploads = await store.listUploads({ limit: 10_000 });
  const notices = await store.listNotices({ limit: 10_000 });
  const about = (id: string) => notices.filter(({ payload }) => payload.uploadId === id);
  return await Promise.all(
    uploads.map(async (upload) => ({
      upload,
      files: await Promise.all(
        (await store.listFiles(upload.id, { limit: 1_000_000 })).map(async (file) => ({
          file,
          parts: await store.listParts(upload.id, file.path),
        })),
      ),
      notices: about(upload.id).length > 0 ? about(upload.id) : undefined,
    })),
  );
}

export async function fill(store: StateStore, contents: Contents): Promise<void> {
  for (const { upload, files, notices } of contents) {
    const first = { ...upload, revision: upload.revision - 1 };
    await store.insertUpload(first);
    await store.updateUpload(first, upload, notices);
    await store.commit(files.map(({ file, parts }) => ({ before: null, after: file, parts })));
  }
}

export async function linesOf(store: StateStore): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportLedger(store, { clock: { now: () => 1_234 } })) lines.push(line);
  return lines;
}

const HOSTILE = [
  "__proto__",
  "constructor",
  'quo"te\\',
  "line\nbreak\r\t",
  "nul\0",
  "\u2028\u2029\ufeff",
  "😀🏳️‍🌈",
  "\ue000",
  "Ω≈ç√",
  "'; DROP TABLE files;--",
  '{"end":{}}',
  " ",
  "x".repeat(4_096),
];

function text(dice: Dice): string {
  return dice.chance(0.4) ? dice.pick(HOSTILE) : `t${dice.int(0, 1_000_000)}`;
}

const time = (dice: Dice) => dice.int(0, 2 ** 45);
const maybe = <T>(dice: Dice, make: () => T): T | null => (dice.chance(0.5) ? make() : null);
const size = (dice: Dice) => dice.pick([0, 1, dice.int(0, 2 ** 31), dice.int(0, 2 ** 46)]);
const checksum = (dice: Dice) =>
  `crc32:${dice
    .int(0, 2 ** 32 - 1)
    .toString(16)
    .padStart(8, "0")}` as const;
const reason = (dice: Dice) => ({ code: dice.pick(["UPLOAD_FAILED", "SOURCE_CHANGED"] as const), message: text(dice) });
const texts = (dice: Dice) => Object.fromEntries(dice.list(0, 4, () => [text(dice), text(dice)]));

function randomUpload(dice: Dice, id: string): UploadRecord {
  const number = () => maybe(dice, () => dice.int(0, 2 ** 40));
  return {
    id,
    spec: {
      ...SPEC,
      sourceFolder: `/${text(dice)}`,
      bucket: `b${text(dice)}`,
      pattern: dice.list(1, 3, () => text(dice)),
      exclude: dice.list(0, 3, () => text(dice)),
      dot: dice.chance(0.5),
      keyTemplate: `{path}${text(dice)}`,
      mode: dice.pick(["watch", "once"]),
      symlinks: dice.pick(["skip", "follow"]),
      overwrite: dice.pick(["always", "never"]),
      minSize: number(),
      maxSize: number(),
      minAge: number(),
      maxAge: number(),
      priority: dice.int(-5, 5),
      compare: dice.pick(["stat", "hash"]),
      onSourceDelete: dice.pick(["keep", "delete"]),
      afterUpload: dice.pick(["keep", "delete", { moveTo: `/${text(dice)}` }]),
      drop: dice.pick([null, { retention: null }, { retention: dice.int(0, 99) }]),
      deleteLimit: { files: dice.int(0, 2_000), share: dice.next() },
      rootMarker: maybe(dice, () => text(dice)),
      schedule: dice.pick([null, 60_000, "0 3 * * *", "manual"]),
      maxUnstableAge: number(),
      activeHours: maybe(dice, () => "22:00-06:00"),
      bandwidthLimit: number(),
      host: maybe(dice, () => text(dice)),
      object: dice.chance(0.5)
        ? {}
        : { contentType: text(dice), tags: texts(dice), metadata: texts(dice), acl: "private" },
    },
    state: dice.pick(UPLOAD_STATES),
    revision: dice.int(1, 1_000),
    reason: maybe(dice, () => reason(dice)),
    lastScan: maybe(dice, () => ({
      startedAt: time(dice),
      finishedAt: time(dice),
      seen: dice.int(0, 99),
      added: dice.int(0, 99),
      changed: dice.int(0, 99),
      removed: dice.int(0, 99),
      skipped: dice.int(0, 99),
      complete: dice.chance(0.5),
      unstable: dice.int(0, 99),
      device: text(dice),
      doubt: maybe(dice, () => reason(dice)),
    })),
    scanner: maybe(dice, () => text(dice)),
    cleanupDue: dice.chance(0.2),
    createdAt: time(dice),
    updatedAt: time(dice),
    finishedAt: maybe(dice, () => time(dice)),
  };
}

function randomTransfer(dice: Dice): Transfer {
  const multipartId = maybe(dice, () => text(dice));
  return {
    token: `k${text(dice)}`,
    key: text(dice),
    fingerprint: text(dice),
    partSize: size(dice),
    multipartId,
    startedAt: time(dice),
  };
}

function randomEvidence(dice: Dice): Evidence {
  const versionId = maybe(dice, () => text(dice));
  return {
    key: text(dice),
    size: size(dice),
    etag: text(dice),
    versionId,
    checksum: checksum(dice),
    fingerprint: text(dice),
    uploadedAt: time(dice),
  };
}

function randomFile(dice: Dice, uploadId: string, path: string): StoredFile {
  const transfer = maybe(dice, () => randomTransfer(dice));
  const state = dice.pick(FILE_STATES);
  const file: FileRecord = {
    uploadId,
    path,
    state,
    size: size(dice),
    mtimeNs: BigInt(dice.int(-(2 ** 40), 2 ** 40)) * 1_000_000n + BigInt(dice.int(0, 999_999)),
    fingerprint: text(dice),
    revision: dice.int(1, 1_000),
    key: text(dice),
    attempts: dice.int(0, 5),
    nextAttemptAt: time(dice),
    unstableSince: maybe(dice, () => time(dice)),
    owner: state === "IN_PROGRESS" ? text(dice) : null,
    fence: dice.int(0, 100),
    reason: maybe(dice, () => reason(dice)),
    transfer,
    evidence: maybe(dice, () => randomEvidence(dice)),
    history: dice.list(0, 3, () => ({
      at: time(dice),
      what: dice.pick(HISTORY_KINDS),
      attempt: dice.int(0, 5),
      reason: maybe(dice, () => reason(dice)),
    })),
    steps: dice.list(0, 3, () => ({
      step: `s${text(dice)}`,
      startedAt: time(dice),
      endedAt: time(dice),
      outcome: dice.pick(STEP_OUTCOMES),
      bytesIn: size(dice),
      bytesOut: size(dice),
      message: maybe(dice, () => text(dice)),
    })),
    createdAt: time(dice),
    updatedAt: time(dice),
  };
  const numbers = [...new Set(dice.list(0, 6, () => dice.int(1, 10_000)))].sort((a, b) => a - b);
  const part = (partNumber: number) => ({ partNumber, size: size(dice), etag: text(dice), checksum: checksum(dice) });
  return { file, parts: transfer === null ? [] : numbers.map(part) };
}

function randomNotice(dice: Dice, id: string, uploadId: string): Notice {
  const file = { uploadId, path: `p${text(dice)}`, key: text(dice), state: "FAILED", size: size(dice) } as const;
  const told = dice.chance(0.5)
    ? ({ event: "file:failed", payload: { ...file, attempts: dice.int(0, 5), reason: reason(dice) } } as const)
    : ({
        event: dice.pick(["upload:completed", "upload:failed"] as const),
        payload: { uploadId, state: dice.pick(UPLOAD_STATES), reason: maybe(dice, () => reason(dice)) },
      } as const);
  return {
    id,
    subscriber: dice.pick(["hooks", "A.b-c_9"]),
    ...told,
    state: dice.pick(["DUE", "DEAD"]),
    revision: dice.int(1, 1_000),
    attempts: dice.int(0, 20),
    nextAttemptAt: time(dice),
    reason: maybe(dice, () => reason(dice)),
    createdAt: time(dice),
    updatedAt: time(dice),
  };
}

export function randomContents(dice: Dice, uploads = 3, files = 12): Contents {
  const ids = [...new Set(dice.list(1, uploads, () => text(dice)))];
  return ids.map((id, n) => {
    const names = [...new Set(dice.list(0, 4, () => `${dice.pick(["-", "Z", "a"])}${dice.int(0, 99)}.${n}`))].sort();
    const notices = names.length > 0 ? names.map((name) => randomNotice(dice, name, id)) : undefined;
    const paths = [...new Set(dice.list(0, files, () => `${text(dice)}${dice.chance(0.5) ? `/${text(dice)}` : ""}`))];
    return { upload: randomUpload(dice, id), files: paths.map((path) => randomFile(dice, id, path)), notices };
  });
}

export const part = (partNumber: number, etag = `e${partNumber}`) =>
  ({ partNumber, size: 5, etag, checksum: "crc32:00000001" }) as const;
export const transfer = { token: "t", key: "u/b.txt", fingerprint: "f", partSize: 5, multipartId: "m", startedAt: 1 };
export const running = (changes: Partial<UploadRecord> = {}): UploadRecord => ({
  ...upload(),
  state: "IN_PROGRESS",
  updatedAt: 5,
  ...changes,
});

/** Two uploads; "u" has a file in flight. */
const CONTENTS: Contents = [
  {
    upload: running(),
    files: [
      { file: file(), parts: [] },
      {
        file: file({ path: "b.txt", key: "u/b.txt", state: "IN_PROGRESS", owner: "o", transfer }),
        parts: [part(1), part(3)],
      },
    ],
  },
  { upload: { ...running(), id: "v" }, files: [{ file: file({ uploadId: "v", state: "UPLOADED" }), parts: [] }] },
];

export async function exported(contents: Contents = CONTENTS): Promise<string[]> {
  const store = await memoryStore();
  await fill(store, contents);
  return await linesOf(store);
}

/** No service may take an upload for whole whose import is not. */
export async function expectNothingWhole(store: StateStore): Promise<void> {
  for (const record of await store.listUploads({ limit: 100 })) {
    expect(record).toMatchObject({ state: "CANCELLED", cleanupDue: false, reason: { code: "IMPORT_UNFINISHED" } });
  }
}

export async function refusal(promise: Promise<unknown>): Promise<BucketlineError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof BucketlineError))
    throw new Error("It was not refused with an error of ours.", { cause: error });
  return error;
}
