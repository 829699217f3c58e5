import { UploadError } from "./errors.ts";
import { type NextChangeOptions, nextChange } from "./next-change.ts";
import { refuseCancelled } from "./refusals.ts";
import type { UploadRecord } from "./upload.ts";

/**
 * Waits until the upload is COMPLETED.
 * @param look gives the upload as it is now; whatever it throws ends the wait
 * @throws UploadError `UPLOAD_FAILED`, `UPLOAD_CANCELLED` · the signal's reason
 */
export async function untilFinished<View extends UploadRecord>(
  id: string,
  look: () => Promise<View>,
  signal: AbortSignal | undefined,
  listening: NextChangeOptions,
): Promise<View> {
  const signals = [signal, ...listening.signals];
  for (;;) {
    // Listens before it looks, or it might miss what happens in between.
    const changed = nextChange(id, { ...listening, signals });
    try {
      const upload = refuseCancelled(await look());
      if (upload.state === "COMPLETED") return upload;
      if (upload.state === "FAILED") {
        throw new UploadError("UPLOAD_FAILED", `Upload ${id} failed: ${upload.reason?.message ?? "no reason"}`);
      }
      await changed.wait();
      signal?.throwIfAborted();
    } finally {
      changed.end();
    }
  }
}
