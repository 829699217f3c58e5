import type { Reason } from "./errors.ts";
import { emitFile } from "./events.ts";
import { type Evidence, type FileRecord, reduceFile } from "./file.ts";
import type { TransferContext } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

/**
 * We wrote an object after somebody else had taken the file over: what the ledger says of the bucket may be untrue. If it
 * is, the file is queued again.
 * @returns the upload when it may have work again
 */
export async function disprove(
  context: TransferContext,
  uploads: Uploads,
  { uploadId, path }: FileRecord,
  wrote: Evidence,
): Promise<UploadRecord | undefined> {
  const now = await context.state.getFile(uploadId, path);
  if (now?.state !== "UPLOADED" || !now.evidence || now.evidence.etag === wrote.etag) return undefined;
  const { spec } = await uploads.get(uploadId);
  const address = { bucket: spec.bucket, key: now.key, expectedBucketOwner: spec.object.expectedBucketOwner };
  if ((await context.objects.headObject(address))?.etag === now.evidence.etag) return undefined;
  const reason: Reason = { code: "INTEGRITY", message: "A late write of an earlier owner replaced the object." };
  await uploads.applyIfAllowed(uploadId, { type: "reopen" });
  const action = { type: "disproved", reason } as const;
  const after = reduceFile(now, action, context.clock.now());
  if ((await context.ledger.offer({ before: now, after })) === "applied") emitFile(context.emit, action, after);
  return await uploads.get(uploadId);
}
