import { InputError, NoticeError, type Reason } from "./errors.ts";
import { type Notice, type NoticeAction, type NoticeEvent, type NoticeState, reduceNotice } from "./notice.ts";
import { wholeNumber } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { Clock } from "./ports/clock.ts";
import type { NoticeLedger, Unsubscribe } from "./ports/state-store.ts";

/** Which notices a delivery takes on. */
export interface TakeRequest {
  readonly subscriber: string;
  /** At most so many. */
  readonly limit: number;
  /**
   * Milliseconds in which the delivery should be over, at most a day; then the notices are due again. Longer than clocks of
   * hosts differ.
   */
  readonly leaseMs: number;
}

/** Which notices are asked for; without settings all, from the first on. */
export interface NoticeQuery {
  readonly subscriber?: string;
  readonly states?: readonly NoticeState[];
  /** Id of the last notice of the page before. */
  readonly after?: string;
  /** At most so many; default 100. */
  readonly limit?: number;
}

/**
 * Notices that wait in the ledger for whoever delivers them: `keepFor` says what is kept, before `start`; then `take`,
 * deliver, and say how it went. Of several hosts on one ledger one delivers each notice; one whose host dies is due again
 * when its lease is over. So every notice is delivered at least once, and its `id` tells a repetition.
 *
 * Every method throws ServiceError `SERVICE_STOPPED` once the service is stopped, and, `keepFor` and `onNotice` apart,
 * StateStoreError when the ledger cannot be used.
 */
export interface NoticeOutbox {
  /**
   * Keeps these events for the subscriber, from the next change on that this process writes: every host of a ledger has to
   * say the same. A second call for the same name replaces the first.
   * @param subscriber `[A-Za-z0-9._-]{1,64}`
   * @throws InputError `INVALID_OPTION` · ServiceError `SERVICE_STARTED`
   */
  keepFor(subscriber: string, events: readonly NoticeEvent[]): void;
  /** Calls the listener with the name of a subscriber for whom this process has made a notice due. A hint: others may, too. */
  onNotice(listener: (subscriber: string) => void): Unsubscribe;
  /**
   * Takes due notices on, earliest first: `attempts` counts this delivery. Fewer than there are when the ledger fails on the
   * way; it throws only when there are none. What a clock that was set back since would keep waiting for more than a day is
   * due, too. @throws InputError `INVALID_OPTION`
   */
  take(request: TakeRequest): Promise<Notice[]>;
  /**
   * Of a notice as `take` gave it: it is delivered, and gone.
   * @returns false, changing nothing, when it was overtaken: its lease was over, or somebody has discarded it
   */
  delivered(notice: Notice): Promise<boolean>;
  /**
   * It could not be delivered; the next delivery begins at `nextAttemptAt`, in milliseconds since 1970, or in a day if that is
   * earlier.
   * @returns as `delivered`
   * @throws InputError `INVALID_OPTION`
   */
  postpone(notice: Notice, reason: Reason, nextAttemptAt: number): Promise<boolean>;
  /** It could not be delivered, and is DEAD. @returns as `delivered` */
  giveUp(notice: Notice, reason: Reason): Promise<boolean>;
  /** When the subscriber's next notice is due, in milliseconds since 1970; undefined: there is none. */
  nextDue(subscriber: string): Promise<number | undefined>;
  /** In order of their ids, which is that of creation. */
  list(query?: NoticeQuery): Promise<Notice[]>;
  /** @throws NoticeError `NOTICE_NOT_FOUND` */
  get(id: string): Promise<Notice>;
  /** Makes a DEAD notice due at once, as if it were new. @throws NoticeError `NOTICE_NOT_FOUND` · BucketlineError `INVALID_TRANSITION` */
  revive(id: string): Promise<Notice>;
  /** Removes a notice, whatever its state. @throws NoticeError `NOTICE_NOT_FOUND` */
  discard(id: string): Promise<void>;
}

export interface DeliveriesOptions {
  readonly outbox: Outbox;
  readonly state: NoticeLedger;
  readonly clock: Pick<Clock, "now">;
  /** Opens the ledger. @throws ServiceError `SERVICE_STOPPED` */
  readonly open: () => Promise<void>;
  /** @throws ServiceError `SERVICE_STOPPED` */
  readonly refuseIfStopped: () => void;
}

const DEFAULT_PAGE = 100;
/** No notice waits longer: so one that would has been written before the clock was set back. */
const LONGEST_WAIT_MS = 24 * 3_600_000;
/** By how much clocks of hosts may differ without being taken for set back. */
const DIFFERENCE_MS = 3_600_000;

/** @param now milliseconds since 1970 */
const horizonOf = (now: number) => now + LONGEST_WAIT_MS + DIFFERENCE_MS;

/** What a host sees of the outbox. */
export class Deliveries implements NoticeOutbox {
  readonly #options: DeliveriesOptions;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  keepFor(subscriber: string, events: readonly NoticeEvent[]): void {
    this.#options.refuseIfStopped();
    this.#options.outbox.keepFor(subscriber, events);
  }

  onNotice(listener: (subscriber: string) => void): Unsubscribe {
    this.#options.refuseIfStopped();
    return this.#options.outbox.onNotice(listener);
  }

  async take(request: TakeRequest): Promise<Notice[]> {
    const { subscriber } = request;
    const limit = wholeNumber("limit", request.limit, 1);
    const leaseMs = wholeNumber("leaseMs", request.leaseMs, 1);
    if (leaseMs > LONGEST_WAIT_MS)
      throw new InputError(
        "INVALID_OPTION",
        `Option leaseMs must be a day at most, ${LONGEST_WAIT_MS}, not ${leaseMs}.`,
      );
    await this.#options.open();
    // One time for all pages: what has been taken never becomes due meanwhile.
    const now = this.#options.clock.now();
    const action = { type: "take", nextAttemptAt: now + leaseMs } as const;
    const taken: Notice[] = [];
    // What others were faster with is not due any more, so the next page is another one.
    while (taken.length < limit) {
      const page = { subscriber, dueBy: now, horizon: horizonOf(now), limit: limit - taken.length };
      const due = await this.#options.state.dueNotices(page);
      if (due.length === 0) break;
      const claims = await Promise.allSettled(due.map((notice) => this.#tryApply(notice, action)));
      taken.push(...claims.flatMap((claim) => (claim.status === "fulfilled" && claim.value) || []));
      const failed = claims.find((claim) => claim.status === "rejected");
      // What is ours already must be delivered all the same.
      if (failed && taken.length === 0) throw failed.reason;
      if (failed) break;
    }
    return taken;
  }

  async delivered(notice: Notice): Promise<boolean> {
    return await this.#settle(notice, { type: "deliver" });
  }

  async postpone(notice: Notice, reason: Reason, nextAttemptAt: number): Promise<boolean> {
    const latest = this.#options.clock.now() + LONGEST_WAIT_MS;
    const time = Math.min(wholeNumber("nextAttemptAt", nextAttemptAt), latest);
    return await this.#settle(notice, { type: "postpone", reason, nextAttemptAt: time });
  }

  async giveUp(notice: Notice, reason: Reason): Promise<boolean> {
    return await this.#settle(notice, { type: "giveUp", reason });
  }

  async nextDue(subscriber: string): Promise<number | undefined> {
    await this.#options.open();
    const earliest = await this.#options.state.nextNotice(subscriber);
    const now = this.#options.clock.now();
    return earliest !== undefined && earliest > horizonOf(now) ? now : earliest;
  }

  async list(query: NoticeQuery = {}): Promise<Notice[]> {
    await this.#options.open();
    return await this.#options.state.listNotices({ ...query, limit: query.limit ?? DEFAULT_PAGE });
  }

  async get(id: string): Promise<Notice> {
    await this.#options.open();
    const notice = await this.#options.state.getNotice(id);
    if (!notice)
      throw new NoticeError(
        "NOTICE_NOT_FOUND",
        `There is no notice ${JSON.stringify(id)} (any more): it may have been delivered. List the notices to see their ids.`,
      );
    return notice;
  }

  async revive(id: string): Promise<Notice> {
    const notice = (await this.#apply(id, { type: "revive" })) as Notice;
    this.#options.outbox.announce([notice]);
    return notice;
  }

  async discard(id: string): Promise<void> {
    await this.#apply(id, { type: "discard" });
  }

  async #settle(notice: Notice, action: NoticeAction): Promise<boolean> {
    await this.#options.open();
    return (await this.#tryApply(notice, action)) !== undefined;
  }

  /** Applies the action to the notice as it stands now, however often somebody else gets in between. */
  async #apply(id: string, action: NoticeAction): Promise<Notice | null> {
    for (;;) {
      const after = await this.#tryApply(await this.get(id), action);
      if (after !== undefined) return after;
    }
  }

  /** @returns undefined when somebody else was faster; null when the notice is gone as it should be */
  async #tryApply(before: Notice, action: NoticeAction): Promise<Notice | null | undefined> {
    const after = reduceNotice(before, action, this.#options.clock.now());
    return (await this.#options.state.updateNotice(before, after)) ? after : undefined;
  }
}
