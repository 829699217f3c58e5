import { reduceFile } from "./file.ts";
import { abortTransfer } from "./multipart.ts";
import type { TransferContext } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

const PAGE = 100;

/**
 * Aborts every multipart upload that a cancelled upload has left. Files still in some owner's hands are left to the next
 * call: their owner lets go of them soon.
 * @returns whether nothing is left
 * @throws ObjectStoreError when the store cannot be asked; calling again goes on
 */
export async function cleanUp(context: TransferContext, uploads: Uploads, upload: UploadRecord): Promise<boolean> {
  const { state, ledger, clock } = context;
  const { bucket, object } = upload.spec;
  let left = false;
  for (let after: string | undefined; ; ) {
    const page = await state.listFiles(upload.id, { after, limit: PAGE, withTransfer: true });
    for (const file of page) {
      if (file.state === "IN_PROGRESS") {
        left = true;
        continue;
      }
      const place = { bucket, expectedBucketOwner: object.expectedBucketOwner };
      if (file.transfer) await abortTransfer(context, place, file.transfer);
      const cleaned = { before: file, after: reduceFile(file, { type: "cleaned" }, clock.now()) };
      if ((await ledger.offer(cleaned)) === "conflict") left = true;
    }
    after = page.at(-1)?.path;
    if (page.length < PAGE) break;
  }
  // Another service may be about to begin a transfer for a file that it took before the upload was cancelled.
  if ((await state.counters(upload.id)).IN_PROGRESS.files > 0) left = true;
  if (!left) await uploads.applyIfAllowed(upload.id, { type: "cleaned" });
  return !left;
}
