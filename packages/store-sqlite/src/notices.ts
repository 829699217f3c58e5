import type { DueNotices, Notice, NoticePage } from "@bucketline/core";
import type { Database, Statement } from "better-sqlite3";
import { type Bound, decodeNotice, encodeNotice, type NoticeRow } from "./rows.ts";
import { listNoticesSql, NOTICES } from "./statements.ts";

type Rows = Statement<Bound[], NoticeRow>;

export class NoticeTable {
  readonly #db: Database;
  readonly #insert: Statement<Bound[]>;
  readonly #get: Rows;
  readonly #due: Rows;
  readonly #beyond: Rows;
  readonly #earliest: Statement<Bound[], number>;
  readonly #update: Statement<Bound[]>;
  readonly #remove: Statement<Bound[]>;
  readonly #lists = new Map<string, Rows>();

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare(NOTICES.insert);
    this.#get = db.prepare<Bound[], NoticeRow>(NOTICES.get).raw();
    this.#due = db.prepare<Bound[], NoticeRow>(NOTICES.due).raw();
    this.#beyond = db.prepare<Bound[], NoticeRow>(NOTICES.beyond).raw();
    this.#earliest = db.prepare<Bound[], number>(NOTICES.earliest).pluck();
    this.#update = db.prepare(NOTICES.update);
    this.#remove = db.prepare(NOTICES.remove);
  }

  /** Each once, however often it is asked for. Inside the transaction of what they tell. */
  record(notices: readonly Notice[]): void {
    for (const notice of notices) this.#insert.run(notice.id, notice.subscriber, ...encodeNotice(notice));
  }

  get(id: string): Notice | undefined {
    const row = this.#get.get(id);
    return row && decodeNotice(row);
  }

  list(page: NoticePage): Notice[] {
    if (page.limit <= 0 || page.states?.length === 0) return [];
    const { sql, runs } = listNoticesSql(page);
    const list = this.#lists.get(sql) ?? this.#db.prepare<Bound[], NoticeRow>(sql).raw();
    this.#lists.set(sql, list);
    const once = [...(page.subscriber === undefined ? [] : [page.subscriber]), page.after ?? ""];
    const parameters = Array.from({ length: runs }, () => once).flat();
    return list.all(...parameters, page.limit).map(decodeNotice);
  }

  due({ subscriber, dueBy, horizon, limit }: DueNotices): Notice[] {
    if (limit <= 0) return [];
    const rows = this.#due.all(subscriber, dueBy, limit);
    if (rows.length < limit) rows.push(...this.#beyond.all(subscriber, Math.max(dueBy, horizon), limit - rows.length));
    return rows.map(decodeNotice);
  }

  next(subscriber: string): number | undefined {
    return this.#earliest.get(subscriber);
  }

  update({ id, revision }: Notice, after: Notice | null): boolean {
    const { changes } =
      after === null ? this.#remove.run(id, revision) : this.#update.run(...encodeNotice(after), id, revision);
    return changes === 1;
  }
}
