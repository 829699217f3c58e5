import { refuseCancelled } from "./refusals.ts";
import { requeueFailed } from "./requeue.ts";
import type { Uploads } from "./uploads.ts";

/**
 * Queues every failed file of the upload again, and reopens an upload that failed.
 * @param now milliseconds since 1970
 * @returns how many files
 * @throws UploadError `UPLOAD_CANCELLED`
 */
export async function retryFailed(
  { uploads, context }: { readonly uploads: Uploads; readonly context: Parameters<typeof requeueFailed>[0] },
  id: string,
  now: number,
): Promise<number> {
  refuseCancelled(await uploads.get(id));
  // Open before it has work, and nobody works on it before it has it: with its files still FAILED it would fail again.
  const reopen = async () => void (await uploads.applyIfAllowed(id, { type: "reopen" }));
  const files = await requeueFailed(context, id, { now, onWork: reopen });
  if ((await uploads.get(id)).state === "FAILED") await reopen();
  return files;
}
