import { NOTICE_EVENTS, NOTICE_STATES } from "@bucketline/core";
import { type Static, Type } from "typebox";
import { Nullable, OneOf, ReasonView, Time } from "./common.ts";

export const NoticeStateName = OneOf(NOTICE_STATES, {
  $id: "NoticeState",
  description: "`DUE`: to be delivered · `DEAD`: given up, until somebody retries or discards it.",
});

const NoticeEventName = OneOf(NOTICE_EVENTS, { $id: "NoticeEvent" });

/** At most so many are counted. */
export const COUNTED = 1000;
const Counted = Type.Integer({ minimum: 0, maximum: COUNTED, description: `At most ${COUNTED} are counted.` });

export const NoticeView = Type.Object(
  {
    notice_id: Type.String({ description: "As the header `webhook-id`." }),
    subscriber: Type.String({ description: "Name of the webhook; it need not be configured any more." }),
    event: NoticeEventName,
    data: Type.Record(Type.String(), Type.Unknown(), { description: "What is told, as in the body of a delivery." }),
    state: NoticeStateName,
    attempts: Type.Integer({ description: "Deliveries begun." }),
    next_attempt_at: Nullable(
      Type.String({ format: "date-time", description: "No delivery begins before; null: at once, or none at all." }),
    ),
    reason: Nullable(ReasonView),
    created_at: Time,
    updated_at: Time,
  },
  { $id: "Notice" },
);
export type NoticeView = Static<typeof NoticeView>;

export const WebhookView = Type.Object(
  {
    name: Type.String(),
    url: Type.String({ description: "Without what it has behind a `?`." }),
    events: Type.Array(NoticeEventName),
    due: Counted,
    dead: Counted,
    in_flight: Type.Integer({ description: "Deliveries by this process that are under way." }),
    held_until: Nullable(
      Type.String({ format: "date-time", description: "The receiver is left alone: it asked for that, or fails." }),
    ),
    last_delivered_at: Nullable(Type.String({ format: "date-time", description: "By this process." })),
    last_failed_at: Nullable(Type.String({ format: "date-time", description: "By this process." })),
    last_failure: Nullable(ReasonView),
  },
  { $id: "Webhook" },
);
export type WebhookView = Static<typeof WebhookView>;

export const WebhookTestView = Type.Object(
  {
    message_id: Type.String({ description: "As the header `webhook-id`." }),
    delivered: Type.Boolean({ description: "Whether the receiver answered with 2xx." }),
    status: Nullable(Type.Integer({ description: "Of its answer; null: there was none." })),
    message: Type.String({ description: "What happened." }),
    duration_ms: Type.Integer({ minimum: 0 }),
  },
  { $id: "WebhookTest" },
);
export type WebhookTestView = Static<typeof WebhookTestView>;
