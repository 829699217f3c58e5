import type { Notice } from "@bucketline/core";
import type { NoticeView, WebhookTestView, WebhookView } from "../schemas/notice.ts";
import { timeView } from "../views.ts";
import type { Courier } from "./courier.ts";
import { payloadView } from "./message.ts";
import type { Webhooks } from "./webhooks.ts";

export function noticeView(notice: Notice): NoticeView {
  const { id, subscriber, event, payload, state, attempts, nextAttemptAt, reason, createdAt, updatedAt } = notice;
  return {
    notice_id: id,
    subscriber,
    event,
    data: payloadView(payload),
    state,
    attempts,
    next_attempt_at: state === "DUE" && nextAttemptAt > 0 ? timeView(nextAttemptAt) : null,
    reason,
    created_at: timeView(createdAt),
    updated_at: timeView(updatedAt),
  };
}

export function webhookView(
  { endpoint, latest, inFlight, heldUntil }: Courier,
  counts: Pick<WebhookView, "due" | "dead">,
): WebhookView {
  const { name, shownUrl, events } = endpoint;
  return {
    name,
    url: shownUrl,
    events: [...events],
    ...counts,
    in_flight: inFlight,
    held_until: timeOrNull(heldUntil),
    last_delivered_at: timeOrNull(latest.deliveredAt),
    last_failed_at: timeOrNull(latest.failedAt),
    last_failure: latest.failure,
  };
}

export function webhookTestView(outcome: Awaited<ReturnType<Webhooks["test"]>>): WebhookTestView {
  const { id, result, status, message, ms } = outcome;
  return { message_id: id, delivered: result === "delivered", status, message, duration_ms: Math.round(ms) };
}

function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : timeView(ms);
}
