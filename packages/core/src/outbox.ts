import { InputError, ServiceError } from "./errors.ts";
import { fileNews, type News, uploadNews } from "./noteworthy.ts";
import { NOTICE_EVENTS, type Notice, type NoticeEvent, newNotice } from "./notice.ts";
import { NoticeIds } from "./notice-ids.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileChange, Unsubscribe } from "./ports/state-store.ts";
import type { UploadRecord } from "./upload.ts";

const SUBSCRIBER = /^[A-Za-z0-9._-]{1,64}$/;

export interface OutboxOptions {
  readonly clock: Pick<Clock, "now">;
  /** Unique for every run of a service. */
  readonly owner: string;
  /** Told of listeners that throw or reject. */
  readonly onTrouble: (error: unknown) => void;
}

/** Decides what is kept for whom. Whoever writes a change records its notices in the same transaction. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #ids: NoticeIds;
  readonly #subscribers = new Map<string, ReadonlySet<NoticeEvent>>();
  readonly #listeners = new Set<(subscriber: string) => void>();
  #begun = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#ids = new NoticeIds(options.owner);
  }

  /** @throws InputError `INVALID_OPTION` · ServiceError `SERVICE_STARTED` */
  keepFor(subscriber: string, events: readonly NoticeEvent[]): void {
    if (typeof subscriber !== "string" || !SUBSCRIBER.test(subscriber))
      throw invalid("The name of a subscriber", "1 to 64 letters, digits, dots, dashes or underscores", subscriber);
    if (!Array.isArray(events) || events.length === 0) throw invalid("The events of a subscriber", "a list", events);
    const unknown = events.find((event) => !NOTICE_EVENTS.includes(event));
    if (unknown !== undefined) throw invalid("An event that is kept", NOTICE_EVENTS.join(" or "), unknown);
    if (this.#begun)
      throw new ServiceError("SERVICE_STARTED", `Nothing can be kept for ${subscriber}: call keepFor before start().`);
    this.#subscribers.set(subscriber, new Set(events));
  }

  /** From now on who is told what stays as it is. */
  begin(): void {
    this.#begun = true;
  }

  /** To be recorded with the change. */
  noticesOf({ before, after }: FileChange): Notice[] {
    return this.#subscribers.size === 0 ? [] : this.#notices(fileNews(before, after));
  }

  /** To be recorded with the change. */
  noticesOfUpload(before: UploadRecord, after: UploadRecord): Notice[] {
    return this.#subscribers.size === 0 ? [] : this.#notices(uploadNews(before, after));
  }

  /** Calls the listener with the name of the subscriber, soon after this process has made a notice due. */
  onNotice(listener: (subscriber: string) => void): Unsubscribe {
    const own = (subscriber: string) => listener(subscriber);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** They are recorded, or due again. */
  announce(notices: readonly Pick<Notice, "subscriber">[]): void {
    for (const subscriber of new Set(notices.map((notice) => notice.subscriber))) {
      for (const listener of this.#listeners) {
        const told = new Promise((resolve) => resolve(listener(subscriber)));
        told.catch(this.#options.onTrouble);
      }
    }
  }

  #notices(news: News | undefined): Notice[] {
    if (news === undefined) return [];
    const now = this.#options.clock.now();
    return [...this.#subscribers]
      .filter(([, events]) => events.has(news.event))
      .map(([subscriber]) => newNotice({ id: this.#ids.next(now), subscriber, ...news }, now));
  }
}

function invalid(what: string, wanted: string, value: unknown): InputError {
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : String(value);
  return new InputError("INVALID_OPTION", `${what} must be ${wanted}, not ${shown}.`);
}
