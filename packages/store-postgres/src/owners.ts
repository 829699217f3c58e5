import type { FileRecord, RescueRequest } from "@bucketline/core";
import type { Connection } from "./connection.ts";
import type { CounterDeltas } from "./counters.ts";
import type { FileTable } from "./files.ts";
import { arraysOf, ownerOf, type Row } from "./rows.ts";
import type { Statements } from "./statements.ts";
import { toBytes } from "./text.ts";
import type { UploadTable } from "./uploads.ts";

/** Leases begin and end on the server's clock: those of the hosts do not matter. */
export class OwnerTable {
  readonly #uploads: UploadTable;
  readonly #files: FileTable;
  readonly #sql: Statements["owners"];

  constructor(uploads: UploadTable, files: FileTable, statements: Statements) {
    this.#uploads = uploads;
    this.#files = files;
    this.#sql = statements.owners;
  }

  async heartbeat(connection: Connection, owner: string, leaseMs: number): Promise<void> {
    const [row] = await connection.query(this.#sql.beat, [toBytes(owner), Math.ceil(leaseMs)]);
    // To forget a stale owner changes nothing for its files, and keeps the table as small as the number of services.
    if (row?.[0] === "t") await connection.query(this.#sql.forgetStale);
  }

  async retire(connection: Connection, owner: string): Promise<void> {
    await connection.query(this.#sql.forget, [toBytes(owner)]);
  }

  async isAlive(connection: Connection, owner: string): Promise<boolean> {
    const [row] = await connection.query(this.#sql.isAlive, [toBytes(owner)]);
    return row?.[0] === "t";
  }

  /** Whether a rescue would find something: most find nobody dead. */
  async isAnyStale(connection: Connection): Promise<boolean> {
    const [row] = await connection.query(this.#sql.isAnyStale);
    return row?.[0] === "t";
  }

  /** Inside a transaction. */
  async rescue(connection: Connection, deltas: CounterDeltas, request: RescueRequest): Promise<FileRecord[]> {
    const rows = await this.#stillStale(connection, await connection.query(this.#sql.stale, [request.limit]));
    const ids = await this.#uploads.idsOf(
      connection,
      rows.map(([seq]) => Number(seq)),
    );
    return this.#files.writeOwn(connection, deltas, rows, (seq) => ids.get(seq) ?? "", request.release);
  }

  /**
   * A row that somebody has written while the statement ran is locked as it is now, but compared with the owners as they
   * were when it began: one that came since, and has claimed the file, would pass for dead.
   */
  async #stillStale(connection: Connection, rows: Row[]): Promise<Row[]> {
    if (rows.length === 0) return rows;
    const owners = rows.map((row) => [Buffer.from(ownerOf(row), "hex")]);
    const living = await connection.query(this.#sql.living, arraysOf([["owner", "bytea"]], owners));
    const names = new Set(living.map(([name]) => name));
    return rows.filter((row) => !names.has(ownerOf(row)));
  }
}
