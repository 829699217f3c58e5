import { BucketlineError, type Reason } from "./errors.ts";
import type { FileEvent, UploadEvent } from "./events.ts";

/** What may be kept for a subscriber. */
export const NOTICE_EVENTS = ["upload:completed", "upload:failed", "file:failed"] as const;
/** The events that are kept as notices for subscribers. */
export type NoticeEvent = (typeof NOTICE_EVENTS)[number];

/** `DUE`: to be delivered · `DEAD`: given up, and kept for somebody to look at. What has been delivered is gone. */
export const NOTICE_STATES = ["DUE", "DEAD"] as const;
/** The state of a notice. */
export type NoticeState = (typeof NOTICE_STATES)[number];

/** What an upload or file event says; of a file, with its reason. */
export type NoticePayload = UploadEvent | (FileEvent & { readonly reason: Reason });

/**
 * Something a subscriber must be told, however late: recorded in the transaction that made it true, and kept until it is
 * delivered or given up. Delivered at least once; `id` tells a repetition.
 */
export interface Notice {
  /** Unique; ids sort (as ASCII) in order of creation, on clocks that agree. */
  readonly id: string;
  /** Name of whoever is to be told. `[A-Za-z0-9._-]{1,64}` */
  readonly subscriber: string;
  readonly event: NoticeEvent;
  readonly payload: NoticePayload;
  readonly state: NoticeState;
  /** Goes up by one with every write (compare and set). */
  readonly revision: number;
  /** Deliveries begun. */
  readonly attempts: number;
  /** Milliseconds since 1970 before which no delivery begins. */
  readonly nextAttemptAt: number;
  /** Why the last delivery did not succeed. */
  readonly reason: Reason | null;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What may happen to a notice; see `NOTICE_TRANSITIONS`. */
export type NoticeAction =
  /** A delivery begins. Nobody else begins one before `nextAttemptAt`. */
  | { readonly type: "take"; readonly nextAttemptAt: number }
  | { readonly type: "deliver" }
  /** The delivery did not succeed; the next one begins at `nextAttemptAt`. */
  | { readonly type: "postpone"; readonly reason: Reason; readonly nextAttemptAt: number }
  | { readonly type: "giveUp"; readonly reason: Reason }
  /** It is delivered after all, as if it were new. */
  | { readonly type: "revive" }
  | { readonly type: "discard" };

/** From which states an action may start, and where it leads (null: the notice is gone). The only place that knows. */
export const NOTICE_TRANSITIONS: Readonly<
  Record<NoticeAction["type"], { readonly from: readonly NoticeState[]; readonly to: NoticeState | null }>
> = {
  take: { from: ["DUE"], to: "DUE" },
  deliver: { from: ["DUE"], to: null },
  postpone: { from: ["DUE"], to: "DUE" },
  giveUp: { from: ["DUE"], to: "DEAD" },
  revive: { from: ["DEAD"], to: "DUE" },
  discard: { from: ["DUE", "DEAD"], to: null },
};

/**
 * The next record; null when the notice is to be removed. The only code that changes a notice's state.
 * @param now milliseconds since 1970
 * @throws BucketlineError `INVALID_TRANSITION`
 */
export function reduceNotice(notice: Notice, action: NoticeAction, now: number): Notice | null {
  const { from, to } = NOTICE_TRANSITIONS[action.type];
  if (!from.includes(notice.state)) {
    throw new BucketlineError("INVALID_TRANSITION", `Notice ${notice.id} is ${notice.state}: cannot ${action.type}.`);
  }
  if (to === null) return null;
  return { ...notice, state: to, revision: notice.revision + 1, updatedAt: now, ...noticeChange(notice, action) };
}

function noticeChange(notice: Notice, action: NoticeAction): Partial<Notice> {
  switch (action.type) {
    case "take":
      return { attempts: notice.attempts + 1, nextAttemptAt: action.nextAttemptAt };
    case "postpone":
      return { reason: action.reason, nextAttemptAt: action.nextAttemptAt };
    case "giveUp":
      return { reason: action.reason };
    case "revive":
      return { attempts: 0, nextAttemptAt: 0 };
    case "deliver":
    case "discard":
      return {};
  }
}

/** One that nobody has tried to deliver. */
export function newNotice(init: Pick<Notice, "id" | "subscriber" | "event" | "payload">, now: number): Notice {
  return {
    ...init,
    state: "DUE",
    revision: 1,
    attempts: 0,
    nextAttemptAt: 0,
    reason: null,
    createdAt: now,
    updatedAt: now,
  };
}
