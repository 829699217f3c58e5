import type {
  ChangeOutcome,
  ClaimRequest,
  Counters,
  FileChange,
  FilePage,
  FileRecord,
  FileState,
  FinishedPart,
} from "@bucketline/core";
import type { Database, RunResult, Statement } from "better-sqlite3";
import { hashOf, KeyHashes } from "./keys.ts";
import type { NoticeTable } from "./notices.ts";
import {
  type Bound,
  decodeFile,
  decodePart,
  encodeFile,
  encodeMove,
  encodePart,
  type FileRow,
  type PartRow,
} from "./rows.ts";
import { COUNTERS, FILES, listFilesSql, PARTS } from "./statements.ts";
import { FILE_CODE, fileStateOf } from "./states.ts";
import type { UploadTable } from "./uploads.ts";

type Rows = Statement<Bound[], FileRow>;

export class FileTable {
  readonly #db: Database;
  readonly #uploads: UploadTable;
  readonly #notices: NoticeTable;
  readonly #transaction: (work: () => unknown) => unknown;
  readonly #insert: Statement<Bound[]>;
  readonly #update: Statement<Bound[]>;
  readonly #move: Statement<Bound[]>;
  readonly #get: Rows;
  readonly #due: Rows;
  readonly #beyond: Rows;
  readonly #earliest: Statement<Bound[], number>;
  readonly #earliestFailed: Statement<Bound[], number>;
  readonly #latest: Statement<Bound[], number>;
  readonly #lists = new Map<string, Rows>();
  readonly #byKeyHash: Rows;
  readonly #keys: KeyHashes;
  readonly #putPart: Statement<Bound[]>;
  readonly #listParts: Statement<Bound[], PartRow>;
  readonly #dropParts: Statement<Bound[]>;
  readonly #getCounters: Statement<Bound[], [state: number, files: number, bytes: number]>;
  readonly #addCounters: Statement<Bound[]>;

  constructor(db: Database, uploads: UploadTable, notices: NoticeTable) {
    this.#db = db;
    this.#uploads = uploads;
    this.#notices = notices;
    this.#transaction = db.transaction((work: () => unknown) => work()).immediate;
    this.#insert = db.prepare(FILES.insert);
    this.#update = db.prepare(FILES.update);
    this.#move = db.prepare(FILES.move);
    this.#get = db.prepare<Bound[], FileRow>(FILES.get).raw();
    this.#due = db.prepare<Bound[], FileRow>(FILES.due).raw();
    this.#beyond = db.prepare<Bound[], FileRow>(FILES.beyond).raw();
    this.#earliest = db.prepare<Bound[], number>(FILES.earliest).pluck();
    this.#earliestFailed = db.prepare<Bound[], number>(FILES.earliestFailed).pluck();
    this.#latest = db.prepare<Bound[], number>(FILES.latest).pluck();
    this.#byKeyHash = db.prepare<Bound[], FileRow>(FILES.byKeyHash).raw();
    this.#keys = new KeyHashes(db);
    this.#putPart = db.prepare(PARTS.put);
    this.#listParts = db.prepare<Bound[], PartRow>(PARTS.list).raw();
    this.#dropParts = db.prepare(PARTS.drop);
    this.#getCounters = db.prepare<Bound[], [number, number, number]>(COUNTERS.get).raw();
    this.#addCounters = db.prepare(COUNTERS.add);
  }

  get(uploadId: string, path: string): FileRecord | undefined {
    const row = this.#get.get(this.#uploads.seqOf(uploadId) ?? null, path);
    return row && decodeFile(uploadId, row);
  }

  list(uploadId: string, page: FilePage): FileRecord[] {
    const seq = this.#uploads.seqOf(uploadId);
    if (seq === undefined || page.limit <= 0 || page.states?.length === 0) return [];
    if (page.states?.every((state) => state === "FAILED") && !this.#isAnyFailedDue(seq, page.dueBy)) return [];
    const sql = listFilesSql(page);
    const list = this.#lists.get(sql) ?? this.#db.prepare<Bound[], FileRow>(sql).raw();
    this.#lists.set(sql, list);
    const once = [seq, page.after ?? "", ...(page.dueBy === undefined ? [] : [page.dueBy])];
    const runs = page.withTransfer ? 1 : (page.states?.length ?? 1);
    const parameters = Array.from({ length: runs }, () => once).flat();
    return list.all(...parameters, page.limit).map((row) => decodeFile(uploadId, row));
  }

  /** @throws as `KeyHashes.complete` */
  async findByKey(uploadId: string, key: string): Promise<FileRecord | undefined> {
    const seq = this.#uploads.seqOf(uploadId);
    if (seq === undefined) return undefined;
    await this.#keys.complete(seq);
    const row = this.#byKeyHash.get(seq, hashOf(key), key);
    return row && decodeFile(uploadId, row);
  }

  listParts(uploadId: string, path: string): FinishedPart[] {
    return this.#listParts.all(this.#uploads.seqOf(uploadId) ?? null, path).map(decodePart);
  }

  counters(uploadId: string): Counters {
    const zeros = Object.keys(FILE_CODE).map((state) => [state, { files: 0, bytes: 0 }]);
    const rows = this.#getCounters.all(this.#uploads.seqOf(uploadId) ?? null);
    return Object.fromEntries([
      ...zeros,
      ...rows.map(([state, files, bytes]) => [fileStateOf(state), { files, bytes }]),
    ]);
  }

  commit(changes: readonly FileChange[]): ChangeOutcome[] {
    if (changes.length === 0) return [];
    return this.write((write) => changes.map((change) => (write(change) ? "applied" : "conflict")));
  }

  claim({ uploadId, uploadState, limit, now, horizon, take }: ClaimRequest): FileRecord[] {
    const seq = this.#uploads.seqOf(uploadId);
    const beyond = Math.max(now, horizon);
    if (seq === undefined || limit <= 0 || !this.#isAnyDue(seq, now, beyond)) return [];
    return this.write((write) => {
      if (!this.#uploads.isIn(seq, uploadState)) return [];
      const due = this.#due.all(seq, now, limit);
      if (due.length < limit) due.push(...this.#beyond.all(seq, beyond, limit - due.length));
      return due.map((row) => writeOwn(write, decodeFile(uploadId, row), take));
    });
  }

  nextDue(uploadId: string): number | undefined {
    return this.#earliest.get(this.#uploads.seqOf(uploadId) ?? null);
  }

  /** Runs `work` in one transaction that keeps the counters. What `work` throws undoes everything. */
  write<T>(work: (write: WriteFile) => T): T {
    return this.#transaction(() => {
      this.#keys.begin();
      const deltas = new CounterDeltas();
      const result = work((change) => this.#writeOne(deltas, change));
      for (const [seq, code, files, bytes] of deltas.rows()) this.#addCounters.run(seq, code, files, bytes);
      return result;
    }) as T;
  }

  #writeOne(deltas: CounterDeltas, { before, after, parts = [], notices = [] }: FileChange): boolean {
    const seq = this.#uploads.requireSeq(after.uploadId);
    const { changes } = before === null ? this.#insertOne(seq, after) : this.#updateOne(seq, before, after);
    if (changes === 0) return false;
    if (before) deltas.add(seq, before.state, -1, before.size);
    deltas.add(seq, after.state, 1, after.size);
    const token = after.transfer?.token;
    if (before?.transfer && before.transfer.token !== token) this.#dropParts.run(seq, after.path);
    if (token !== undefined) for (const part of parts) this.#putPart.run(seq, after.path, ...encodePart(part));
    this.#notices.record(notices);
    return true;
  }

  #insertOne(seq: number, file: FileRecord): RunResult {
    return this.#insert.run(seq, file.path, ...encodeFile(file, this.#keys.ofWrite(seq, file.key)));
  }

  /** Where the key stays, so does its hash, if it has one. */
  #updateOne(seq: number, before: FileRecord, after: FileRecord): RunResult {
    const move = encodeMove(before, after);
    if (move) return this.#move.run(...move, seq, after.path, ...compared(before));
    const row = encodeFile(after, this.#keys.ofWrite(seq, after.key));
    return this.#update.run(...row, seq, after.path, ...compared(before));
  }

  /** Asked before taking the write lock: most polls find nothing to do. */
  #isAnyDue(seq: number, now: number, beyond: number): boolean {
    const earliest = this.#earliest.get(seq);
    return earliest !== undefined && (earliest <= now || (this.#latest.get(seq) as number) > beyond);
  }

  #isAnyFailedDue(seq: number, dueBy = Number.POSITIVE_INFINITY): boolean {
    const earliest = this.#earliestFailed.get(seq);
    return earliest !== undefined && earliest <= dueBy;
  }
}

const compared = ({ revision, state, fence, size }: FileRecord) => [revision, FILE_CODE[state], fence, size];

/** @returns false when the change was overtaken */
export type WriteFile = (change: FileChange) => boolean;

/** Writes what `next` makes of a record that was read in the same transaction. */
export function writeOwn(write: WriteFile, file: FileRecord, next: (file: FileRecord) => FileRecord): FileRecord {
  const after = next(file);
  if (!write({ before: file, after }))
    throw new TypeError(`A claimed or rescued record must keep the path ${file.path} of its file.`);
  return after;
}

class CounterDeltas {
  readonly #files = new Map<number, Map<FileState, { files: number; bytes: number }>>();

  add(seq: number, state: FileState, sign: 1 | -1, size: number): void {
    const states = this.#files.get(seq) ?? new Map<FileState, { files: number; bytes: number }>();
    const delta = states.get(state) ?? { files: 0, bytes: 0 };
    delta.files += sign;
    delta.bytes += sign * size;
    states.set(state, delta);
    this.#files.set(seq, states);
  }

  *rows(): Iterable<[seq: number, code: number, files: number, bytes: number]> {
    for (const [seq, states] of this.#files) {
      for (const [state, { files, bytes }] of states) yield [seq, FILE_CODE[state], files, bytes];
    }
  }
}
