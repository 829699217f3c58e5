import type { Notice, NoticePayload } from "@bucketline/core";
import { renamed, snake } from "../names.ts";
import { fileIdOf, timeView } from "../views.ts";

/** What is sent, and signed, exactly as it stands here. */
export interface Message {
  readonly id: string;
  readonly body: string;
}

/** Every attempt to deliver a notice sends the same. */
export function messageOf({ id, event, payload, createdAt }: Notice): Message {
  return { id, body: bodyOf(event.replace(":", "."), createdAt, payloadView(payload)) };
}

/** Tells nothing but that messages arrive. */
export function testMessage(id: string, webhook: string, now: number): Message {
  return { id, body: bodyOf("bucketline.test", now, { webhook }) };
}

/** What is told, in the names of the API; a file has the id that the API knows it by. */
export function payloadView(payload: NoticePayload): Record<string, unknown> {
  const file = "path" in payload ? { file_id: fileIdOf(payload.path) } : {};
  return { ...(renamed(payload, snake) as Record<string, unknown>), ...file };
}

/** As Standard Webhooks 1.0.0 recommends, "Payload structure". */
function bodyOf(type: string, at: number, data: object): string {
  return JSON.stringify({ type, timestamp: timeView(at), data });
}
