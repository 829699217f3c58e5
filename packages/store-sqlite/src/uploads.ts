import { type Notice, StateStoreError, type UploadPage, type UploadRecord, type UploadState } from "@bucketline/core";
import type { Database, Statement } from "better-sqlite3";
import type { NoticeTable } from "./notices.ts";
import { type Bound, decodeUpload, encodeUpload, type UploadRow } from "./rows.ts";
import { listUploadsSql, UPLOADS } from "./statements.ts";
import { UPLOAD_CODE } from "./states.ts";

export class UploadTable {
  readonly #db: Database;
  readonly #notices: NoticeTable;
  readonly #transaction: (work: () => boolean) => boolean;
  readonly #insert: Statement<Bound[]>;
  readonly #get: Statement<Bound[], UploadRow>;
  readonly #update: Statement<Bound[]>;
  readonly #stateOf: Statement<Bound[], number>;
  readonly #seqOf: Statement<Bound[], number>;
  readonly #idOf: Statement<Bound[], string>;
  readonly #lists = new Map<string, Statement<Bound[], UploadRow>>();
  /** Uploads are never deleted, so what is known stays true. */
  readonly #seqs = new Map<string, number>();
  readonly #ids = new Map<number, string>();

  constructor(db: Database, notices: NoticeTable) {
    this.#db = db;
    this.#notices = notices;
    this.#transaction = db.transaction((work: () => boolean) => work()).immediate;
    this.#insert = db.prepare(UPLOADS.insert);
    this.#get = db.prepare<Bound[], UploadRow>(UPLOADS.get).raw();
    this.#update = db.prepare(UPLOADS.update);
    this.#stateOf = db.prepare<Bound[], number>(UPLOADS.stateOf).pluck();
    this.#seqOf = db.prepare<Bound[], number>(UPLOADS.seqOf).pluck();
    this.#idOf = db.prepare<Bound[], string>(UPLOADS.idOf).pluck();
  }

  insert(upload: UploadRecord): boolean {
    return this.#insert.run(upload.id, ...encodeUpload(upload)).changes === 1;
  }

  get(id: string): UploadRecord | undefined {
    const row = this.#get.get(id);
    return row && decodeUpload(row);
  }

  update(before: UploadRecord, after: UploadRecord, notices: readonly Notice[]): boolean {
    const write = () => this.#update.run(...encodeUpload(after), before.id, before.revision).changes === 1;
    if (notices.length === 0) return write();
    return this.#transaction(() => {
      const isWritten = write();
      if (isWritten) this.#notices.record(notices);
      return isWritten;
    });
  }

  list(page: UploadPage): UploadRecord[] {
    if (page.limit <= 0) return [];
    const sql = listUploadsSql(page);
    const list = this.#lists.get(sql) ?? this.#db.prepare<Bound[], UploadRow>(sql).raw();
    this.#lists.set(sql, list);
    const after = page.after === undefined ? [] : [page.after];
    return list.all(...after, page.limit).map(decodeUpload);
  }

  isIn(seq: number, state: UploadState): boolean {
    return this.#stateOf.get(seq) === UPLOAD_CODE[state];
  }

  /** The number by which other tables know the upload. */
  seqOf(id: string): number | undefined {
    const known = this.#seqs.get(id);
    if (known !== undefined) return known;
    const seq = this.#seqOf.get(id);
    if (seq !== undefined) this.#seqs.set(id, seq);
    return seq;
  }

  requireSeq(id: string): number {
    const seq = this.seqOf(id);
    if (seq === undefined)
      throw new StateStoreError("UPLOAD_NOT_FOUND", `There is no upload ${id} to write a file of.`);
    return seq;
  }

  idOf(seq: number): string {
    const id = this.#ids.get(seq) ?? this.#idOf.get(seq) ?? "";
    this.#ids.set(seq, id);
    return id;
  }
}
