import {
  type ChangeOutcome,
  type ClaimRequest,
  type Counters,
  FILE_STATES,
  type FileChange,
  type FilePage,
  type FileRecord,
  type FinishedPart,
} from "@bucketline/core";
import { applyChanges, type Change } from "./changes.ts";
import type { Connection } from "./connection.ts";
import type { CounterDeltas } from "./counters.ts";
import { listInOrder } from "./listing.ts";
import type { NoticeTable } from "./notices.ts";
import { decodeFile, decodePart, keyHashOf, type Row } from "./rows.ts";
import type { Statements } from "./statements.ts";
import { fileStateOf } from "./states.ts";
import { pathKey, toBytes } from "./text.ts";
import type { UploadTable } from "./uploads.ts";

export class FileTable {
  readonly #uploads: UploadTable;
  readonly #notices: NoticeTable;
  readonly #sql: Statements["files"];
  readonly #writes: Statements["writes"];

  constructor(uploads: UploadTable, notices: NoticeTable, statements: Statements) {
    this.#uploads = uploads;
    this.#notices = notices;
    this.#sql = statements.files;
    this.#writes = statements.writes;
  }

  async get(connection: Connection, uploadId: string, path: string): Promise<FileRecord | undefined> {
    const seq = await this.#uploads.seqOf(connection, uploadId);
    if (seq === undefined) return undefined;
    const [row] = await connection.query(this.#sql.get, [seq, pathKey(path)]);
    return row && decodeFile(uploadId, row);
  }

  async list(connection: Connection, uploadId: string, page: FilePage): Promise<FileRecord[]> {
    const seq = await this.#uploads.seqOf(connection, uploadId);
    if (seq === undefined || page.limit <= 0 || page.states?.length === 0) return [];
    if (page.dueBy !== undefined && page.states?.every((state) => state === "FAILED")) {
      const [row] = await connection.query(this.#sql.isAnyFailedDue, [seq, page.dueBy]);
      if (row?.[0] !== "t") return [];
    }
    const rows = await listInOrder(page.after, page.limit, (after, limit, before) => {
      const dueBy = page.dueBy === undefined ? [] : [page.dueBy];
      const bound = before === undefined ? [] : [before];
      const statement = this.#sql.list({ ...page, isBounded: before !== undefined });
      return connection.query(statement, [seq, after, limit, ...dueBy, ...bound]);
    });
    return rows.map((row) => decodeFile(uploadId, row));
  }

  async findByKey(connection: Connection, uploadId: string, key: string): Promise<FileRecord | undefined> {
    const seq = await this.#uploads.seqOf(connection, uploadId);
    if (seq === undefined) return undefined;
    const [row] = await connection.query(this.#sql.byKey, [seq, keyHashOf(key), toBytes(key)]);
    return row && decodeFile(uploadId, row);
  }

  async listParts(connection: Connection, uploadId: string, path: string): Promise<FinishedPart[]> {
    const seq = await this.#uploads.seqOf(connection, uploadId);
    if (seq === undefined) return [];
    return (await connection.query(this.#sql.parts, [seq, pathKey(path)])).map(decodePart);
  }

  async counters(connection: Connection, uploadId: string): Promise<Counters> {
    const seq = await this.#uploads.seqOf(connection, uploadId);
    const rows = seq === undefined ? [] : await connection.query(this.#sql.counters, [seq]);
    const zeros = FILE_STATES.map((state) => [state, { files: 0, bytes: 0 }]);
    const known = rows.map(([state, files, bytes]) => [
      fileStateOf(Number(state)),
      { files: Number(files), bytes: Number(bytes) },
    ]);
    return Object.fromEntries([...zeros, ...known]);
  }

  async nextDue(connection: Connection, uploadId: string): Promise<number | undefined> {
    const seq = await this.#uploads.seqOf(connection, uploadId);
    if (seq === undefined) return undefined;
    const [row] = await connection.query(this.#sql.nextDue, [seq]);
    return row && Number(row[0]);
  }

  /** Whether a claim would find something, at the cost of two look-ups and no lock. */
  async isAnyDue(connection: Connection, { uploadId, limit, now, horizon }: ClaimRequest): Promise<boolean> {
    const seq = await this.#uploads.seqOf(connection, uploadId);
    if (seq === undefined || limit <= 0) return false;
    const [row] = await connection.query(this.#sql.isAnyDue, [seq, now, Math.max(now, horizon)]);
    return row?.[0] === "t";
  }

  /** Inside a transaction that holds the upload in its state. */
  async claim(connection: Connection, deltas: CounterDeltas, request: ClaimRequest): Promise<FileRecord[]> {
    const { uploadId, limit, now, horizon, take } = request;
    const seq = await this.#uploads.seqOf(connection, uploadId);
    if (seq === undefined) return [];
    const rows = await connection.query(this.#sql.due, [seq, now, limit]);
    if (rows.length < limit) {
      const beyond = [seq, Math.max(now, horizon), limit - rows.length];
      rows.push(...(await connection.query(this.#sql.beyond, beyond)));
    }
    return this.writeOwn(connection, deltas, rows, () => uploadId, take);
  }

  /** Those of the files that nobody has written since. */
  async unchanged(connection: Connection, files: readonly FileRecord[]): Promise<FileRecord[]> {
    const same: FileRecord[] = [];
    for (const file of files) {
      const now = await this.get(connection, file.uploadId, file.path);
      if (now?.revision === file.revision && now.state === file.state && now.fence === file.fence) same.push(file);
    }
    return same;
  }

  /** Inside a transaction. @throws StateStoreError `UPLOAD_NOT_FOUND` */
  async commit(
    connection: Connection,
    deltas: CounterDeltas,
    changes: readonly FileChange[],
  ): Promise<ChangeOutcome[]> {
    const seqs = await this.#uploads.requireSeqs(
      connection,
      changes.map(({ after }) => after.uploadId),
    );
    const numbered = changes.map(({ before, after, parts }) => {
      return { seq: seqs.get(after.uploadId) as number, before, after, parts };
    });
    const applied = await applyChanges(connection, this.#writes, numbered, deltas);
    const notices = changes.flatMap((change, index) => (applied[index] && change.notices) || []);
    await this.#notices.record(connection, notices);
    return applied.map((isApplied) => (isApplied ? "applied" : "conflict"));
  }

  /** Writes what `next` makes of rows that were read, and locked, in the same transaction. */
  async writeOwn(
    connection: Connection,
    deltas: CounterDeltas,
    rows: readonly Row[],
    uploadIdOf: (seq: number) => string,
    next: (file: FileRecord) => FileRecord,
  ): Promise<FileRecord[]> {
    const changes = rows.map((row): Change => {
      const seq = Number(row[0]);
      const before = decodeFile(uploadIdOf(seq), row);
      return { seq, before, after: next(before) };
    });
    const applied = await applyChanges(connection, this.#writes, changes, deltas);
    const lost = changes[applied.indexOf(false)];
    if (lost) throw new TypeError(`A claimed or rescued record must keep the path ${lost.before?.path} of its file.`);
    return changes.map(({ after }) => after);
  }
}
