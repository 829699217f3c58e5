import { fileEvent, uploadEvent } from "./events.ts";
import type { FileRecord } from "./file.ts";
import type { HistoryEntry } from "./history.ts";
import type { Notice } from "./notice.ts";
import type { UploadRecord } from "./upload.ts";

/** What a notice says. */
export type News = Pick<Notice, "event" | "payload">;

/** The upload has become COMPLETED or FAILED. Pure. */
export function uploadNews(before: UploadRecord, after: UploadRecord): News | undefined {
  if (before.state === after.state) return undefined;
  if (after.state === "COMPLETED") return { event: "upload:completed", payload: uploadEvent(after) };
  if (after.state === "FAILED") return { event: "upload:failed", payload: uploadEvent(after) };
  return undefined;
}

/**
 * The file has become FAILED, and not just as before: one that is queued again every hour and always fails for the same
 * reason is told once, until it has changed or was uploaded. As far back as its history reaches. Pure.
 */
export function fileNews(before: FileRecord | null, after: FileRecord): News | undefined {
  const { reason } = after;
  if (after.state !== "FAILED" || before?.state === "FAILED" || reason === null) return undefined;
  if (before && sinceItWasAnother(before.history).some((entry) => isFailure(entry, reason.code))) return undefined;
  return { event: "file:failed", payload: { ...fileEvent(after), reason } };
}

function isFailure({ what, reason }: HistoryEntry, code: string): boolean {
  return what === "fail" && reason?.code === code;
}

/** From UPLOADED a file comes back as changed or disproved only, so that these entries stand for the upload, too. */
function sinceItWasAnother(history: readonly HistoryEntry[]): readonly HistoryEntry[] {
  return history.slice(history.findLastIndex(({ what }) => what === "changed" || what === "disproved") + 1);
}
