import type { DueNotices, Notice, NoticePage } from "@bucketline/core";
import type { Connection } from "./connection.ts";
import { arraysOf, decodeNotice, encodeNotice } from "./rows.ts";
import { NEW_NOTICE, type Statements } from "./statements.ts";
import { toBytes } from "./text.ts";

export class NoticeTable {
  readonly #sql: Statements["notices"];
  readonly #removals = new WeakMap<Notice, object>();

  constructor(statements: Statements) {
    this.#sql = statements.notices;
  }

  /** Each once, however often it is asked for. Inside the transaction of what they tell. */
  async record(connection: Connection, notices: readonly Notice[]): Promise<void> {
    if (notices.length === 0) return;
    const rows = notices.map((notice) => ({ key: toBytes(notice.id), notice }));
    // In one order for everybody, as files are written.
    rows.sort((a, b) => Buffer.compare(a.key, b.key));
    const values = rows.map(({ key, notice }) => [key, toBytes(notice.subscriber), ...encodeNotice(notice)]);
    await connection.query(this.#sql.insert, arraysOf(NEW_NOTICE, values));
  }

  async get(connection: Connection, id: string): Promise<Notice | undefined> {
    const [row] = await connection.query(this.#sql.get, [toBytes(id)]);
    return row && decodeNotice(row);
  }

  async list(connection: Connection, page: NoticePage): Promise<Notice[]> {
    const { after = "", limit, subscriber, states } = page;
    if (limit <= 0 || states?.length === 0) return [];
    const whose = subscriber === undefined ? [] : [toBytes(subscriber)];
    const rows = await connection.query(this.#sql.list({ subscriber, states }), [limit, toBytes(after), ...whose]);
    return rows.map(decodeNotice);
  }

  async due(connection: Connection, { subscriber, dueBy, horizon, limit }: DueNotices): Promise<Notice[]> {
    if (limit <= 0) return [];
    const whose = toBytes(subscriber);
    const due = await connection.query(this.#sql.due, [whose, dueBy, limit]);
    if (due.length >= limit) return due.map(decodeNotice);
    const rest = [whose, Math.max(dueBy, horizon), limit - due.length];
    return [...due, ...(await connection.query(this.#sql.beyond, rest))].map(decodeNotice);
  }

  async next(connection: Connection, subscriber: string): Promise<number | undefined> {
    const [row] = await connection.query(this.#sql.next, [toBytes(subscriber)]);
    return row && Number(row[0]);
  }

  /**
   * What identifies an update that is called again. Of a removal not the notice itself: that identifies the update that
   * made it, which may be as unsettled.
   */
  identityOf(before: Notice, after: Notice | null): object {
    if (after !== null) return after;
    const removal = this.#removals.get(before) ?? {};
    this.#removals.set(before, removal);
    return removal;
  }

  /** @param after null removes it */
  async update(connection: Connection, { id, revision }: Notice, after: Notice | null): Promise<boolean> {
    const of = [toBytes(id), revision];
    const written =
      after === null
        ? await connection.query(this.#sql.remove, of)
        : await connection.query(this.#sql.update, [...of, ...encodeNotice(after)]);
    return written.length === 1;
  }
}
