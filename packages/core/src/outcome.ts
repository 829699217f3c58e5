import type { Reason } from "./errors.ts";
import type { FileLedger } from "./ports/state-store.ts";
import type { UploadRecord } from "./upload.ts";

/** What stands against COMPLETED, if anything. */
export async function outcomeOf(
  state: Pick<FileLedger, "counters">,
  upload: UploadRecord,
): Promise<Reason | "unfinished" | undefined> {
  const { PENDING, IN_PROGRESS, FAILED } = await state.counters(upload.id);
  if (PENDING.files + IN_PROGRESS.files > 0) return "unfinished";
  if (FAILED.files > 0) {
    const message = `${FAILED.files} file(s) failed. List the failed files to see why; retry when the cause is mended.`;
    return { code: "UPLOAD_FAILED", message };
  }
  if (upload.spec.mode === "watch" || upload.lastScan?.complete !== false) return undefined;
  const message = "A part of the source folder could not be read, and nobody knows what it holds.";
  return { code: "SOURCE_NOT_READABLE", message };
}
