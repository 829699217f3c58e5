import type { Disposal } from "./disposal.ts";
import { refuseCancelled, refuseElsewhere } from "./refusals.ts";
import { requeueFailed } from "./requeue.ts";
import type { Uploads } from "./uploads.ts";

export interface RetryContext {
  readonly uploads: Uploads;
  readonly context: Parameters<typeof requeueFailed>[0];
  readonly disposal: Disposal;
  /** This machine. */
  readonly host: string;
}

/**
 * Queues every failed file of the upload again, and reopens an upload that failed.
 * @param now milliseconds since 1970
 * @returns how many files
 * @throws UploadError `UPLOAD_CANCELLED`, `UPLOAD_OTHER_STORE` · `UPLOAD_ELSEWHERE` for a drop folder of another host
 */
export async function retryFailed(
  { uploads, context, disposal, host }: RetryContext,
  id: string,
  now: number,
): Promise<number> {
  const upload = refuseCancelled(await uploads.claim(id));
  // Only there can files be taken back from failed/.
  if (upload.spec.drop) refuseElsewhere(upload, host);
  // Open before it has work, and nobody works on it before it has it: with its files still FAILED it would fail again.
  const reopen = async () => void (await uploads.applyIfAllowed(id, { type: "reopen" }));
  const files = await requeueFailed(context, id, {
    now,
    onWork: reopen,
    ...(upload.spec.drop && { restore: (file) => disposal.restore(upload, file) }),
  });
  if ((await uploads.get(id)).state === "FAILED") await reopen();
  return files;
}
