import { hash } from "node:crypto";
import { type Notice, StateStoreError, type UploadPage, type UploadRecord } from "@bucketline/core";
import type { Connection } from "./connection.ts";
import type { NoticeTable } from "./notices.ts";
import { decodeUpload, encodeUpload } from "./rows.ts";
import type { Statements } from "./statements.ts";
import { fromBytes, toBytes } from "./text.ts";
import type { Opening } from "./transactions.ts";

export class UploadTable {
  readonly #schema: string;
  readonly #sql: Statements["uploads"];
  readonly #notices: NoticeTable;
  readonly #lock: Statements["writes"]["lock"];
  readonly #generation: () => number;
  #known = { generation: 0, seqs: new Map<string, number>(), ids: new Map<number, string>() };

  /** @param generation of the connections: uploads are never deleted, so what is known stays true until it changes */
  constructor(schema: string, statements: Statements, notices: NoticeTable, generation: () => number) {
    this.#notices = notices;
    this.#schema = schema;
    this.#generation = generation;
    this.#sql = statements.uploads;
    this.#lock = statements.writes.lock;
  }

  /** Inside a transaction. */
  async insert(connection: Connection, upload: UploadRecord): Promise<boolean> {
    // One at a time, so that numbers become visible in their order and no page of a listing misses one.
    await connection.query(this.#lock, [this.#lockOf("registration")]);
    const rows = await connection.query(this.#sql.insert, [toBytes(upload.id), ...encodeUpload(upload)]);
    return rows.length === 1;
  }

  async get(connection: Connection, id: string): Promise<UploadRecord | undefined> {
    const [row] = await connection.query(this.#sql.get, [toBytes(id)]);
    return row && decodeUpload(row);
  }

  async list(connection: Connection, page: UploadPage): Promise<UploadRecord[]> {
    if (page.limit <= 0) return [];
    const after = page.after === undefined ? [] : [toBytes(page.after)];
    const rows = await connection.query(this.#sql.list(page), [page.limit, ...after]);
    return rows.map(decodeUpload);
  }

  /** Inside a transaction. Waits until claims of the upload that are under way have ended. */
  async update(
    connection: Connection,
    before: UploadRecord,
    after: UploadRecord,
    notices: readonly Notice[],
  ): Promise<boolean> {
    await connection.query(this.#lock, [this.#lockOf(`upload ${before.id}`)]);
    const values = [toBytes(before.id), before.revision, ...encodeUpload(after)];
    const isWritten = (await connection.query(this.#sql.update, values)).length === 1;
    if (isWritten) await this.#notices.record(connection, notices);
    return isWritten;
  }

  /**
   * Opens a transaction in which the upload stays in its state, and reads that. The lock is an advisory one: claims share
   * it, and unlike a row's (FOR SHARE) it is granted in order of arrival, so that a pause is never starved.
   */
  holding(id: string): Opening {
    return {
      first: `SELECT pg_advisory_xact_lock_shared(${this.#lockOf(`upload ${id}`)})`,
      value: this.#sql.stateOf(toBytes(id).toString("hex")),
    };
  }

  /** The number by which other tables know the upload. */
  async seqOf(connection: Connection, id: string): Promise<number | undefined> {
    return (await this.#learn(connection, [id])).get(id);
  }

  /** @throws StateStoreError `UPLOAD_NOT_FOUND` */
  async requireSeqs(connection: Connection, ids: Iterable<string>): Promise<ReadonlyMap<string, number>> {
    const wanted = [...new Set(ids)];
    const seqs = await this.#learn(connection, wanted);
    const missing = wanted.find((id) => !seqs.has(id));
    if (missing === undefined) return seqs;
    throw new StateStoreError("UPLOAD_NOT_FOUND", `There is no upload ${missing} to write a file of.`);
  }

  async idsOf(connection: Connection, seqs: Iterable<number>): Promise<ReadonlyMap<number, string>> {
    const { ids } = this.#current();
    const unknown = [...new Set(seqs)].filter((seq) => !ids.has(seq));
    if (unknown.length > 0) {
      const rows = await connection.query(this.#sql.idsOf, [`{${unknown.join(",")}}`]);
      for (const [seq, id] of rows) ids.set(Number(seq), fromBytes(Buffer.from(id ?? "", "hex")));
    }
    return ids;
  }

  async #learn(connection: Connection, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { seqs } = this.#current();
    const unknown = ids.filter((id) => !seqs.has(id));
    if (unknown.length === 0) return seqs;
    const wanted = unknown.map((id) => `"\\\\x${toBytes(id).toString("hex")}"`);
    const rows = await connection.query(this.#sql.seqsOf, [`{${wanted.join(",")}}`]);
    for (const [id, seq] of rows) seqs.set(fromBytes(Buffer.from(id ?? "", "hex")), Number(seq));
    return seqs;
  }

  #current() {
    const generation = this.#generation();
    if (generation !== this.#known.generation) this.#known = { generation, seqs: new Map(), ids: new Map() };
    return this.#known;
  }

  #lockOf(what: string): string {
    return lockNumber(this.#schema, what);
  }
}

/** Advisory locks are numbers, common to a whole database. Two that meet by chance cost waiting, nothing else. */
export function lockNumber(schema: string, what: string): string {
  return String(hash("sha256", `bucketline ${schema} ${what}`, "buffer").readBigInt64BE());
}
