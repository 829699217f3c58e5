import type { Notice } from "@bucketline/core";
import { dueNoticeKey, noticeKey } from "./keys.ts";
import type { Draft } from "./transaction.ts";
import { decodeNotice, encodeNotice } from "./values.ts";

export async function readNotice(draft: Draft, id: string): Promise<Notice | undefined> {
  const value = await draft.get(noticeKey(id));
  return value === undefined ? undefined : decodeNotice(value);
}

/** Writes new notices: together with the change that they tell of. One that is there already stays as it is. */
export async function recordNotices(draft: Draft, notices: readonly Notice[] = []): Promise<void> {
  for (const notice of notices) {
    if ((await readNotice(draft, notice.id)) === undefined) writeNotice(draft, undefined, notice);
  }
}

/** Writes a notice in place of `before`, with its place among those that are due; null removes it. */
export function writeNotice(draft: Draft, before: Notice | undefined, after: Notice | null): void {
  if (before) {
    draft.delete(noticeKey(before.id));
    draft.delete(dueNoticeKey(before));
  }
  if (after === null) return;
  draft.put(noticeKey(after.id), encodeNotice(after));
  if (after.state === "DUE") draft.put(dueNoticeKey(after), "");
}
