import type { Notice } from "../notice.ts";
import type { DueNotices, NoticePage } from "../ports/state-store.ts";
import { LazyOrder, lowerBound } from "./lazy-order.ts";

interface Due {
  readonly at: number;
  readonly id: string;
}

/** Notices, with the orders in which they are asked for. */
export class MemoryNotices {
  readonly #records = new Map<string, Notice>();
  readonly #ids = new LazyOrder<string>(compareIds, (id) => this.#records.has(id));
  /** By subscriber. */
  readonly #due = new Map<string, LazyOrder<Due>>();

  get(id: string): Notice | undefined {
    return this.#records.get(id);
  }

  /** Writes the record, whatever stood there. */
  put(notice: Notice): void {
    const { id, subscriber } = notice;
    if (!this.#records.has(id)) this.#ids.add(id);
    this.#records.set(id, notice);
    if (notice.state !== "DUE") return;
    const due = this.#due.get(subscriber) ?? this.#newDue();
    due.add({ at: notice.nextAttemptAt, id });
    this.#due.set(subscriber, due);
  }

  remove(id: string): void {
    this.#records.delete(id);
  }

  /** As StateStore's `listNotices`. */
  list(page: NoticePage): Notice[] {
    const found: Notice[] = [];
    const { after, limit, subscriber, states } = page;
    const ids = this.#ids.items();
    const start = after === undefined ? 0 : lowerBound(ids, (id) => id > after);
    for (let index = start; index < ids.length && found.length < limit; index++) {
      const notice = this.#records.get(ids[index] as string);
      if (notice === undefined || (subscriber !== undefined && notice.subscriber !== subscriber)) continue;
      if (states === undefined || states.includes(notice.state)) found.push(notice);
    }
    return found;
  }

  /** As StateStore's `dueNotices`. */
  due({ subscriber, dueBy, horizon, limit }: DueNotices): Notice[] {
    const found: Notice[] = [];
    const due = this.#due.get(subscriber);
    const items = due?.items() ?? [];
    const collect = (start: number, isWanted: (at: number) => boolean) => {
      for (let index = start; index < items.length && found.length < limit; index++) {
        const item = items[index] as Due;
        if (!isWanted(item.at)) break;
        if (this.#isDue(item)) found.push(this.#records.get(item.id) as Notice);
      }
    };
    const head = due?.head ?? 0;
    const beyond = Math.max(dueBy, horizon);
    collect(head, (at) => at <= dueBy);
    collect(
      Math.max(
        head,
        lowerBound(items, ({ at }) => at > beyond),
      ),
      () => true,
    );
    return found;
  }

  /** As StateStore's `nextNotice`. */
  next(subscriber: string): number | undefined {
    const ever = Number.POSITIVE_INFINITY;
    const [first] = this.due({ subscriber, dueBy: ever, horizon: ever, limit: 1 });
    return first?.nextAttemptAt;
  }

  #newDue(): LazyOrder<Due> {
    return new LazyOrder(
      (a, b) => a.at - b.at || compareIds(a.id, b.id),
      (item) => this.#isDue(item),
    );
  }

  #isDue({ id, at }: Due): boolean {
    const notice = this.#records.get(id);
    return notice?.state === "DUE" && notice.nextAttemptAt === at;
  }
}

function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
