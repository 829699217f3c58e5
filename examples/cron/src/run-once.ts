import { type Upload, UploadError, type UploadService } from "@bucketline/core";

export interface Run {
  readonly sourceFolder: string;
  readonly bucket: string;
  readonly print: (line: string) => void;
  /** Told of what does not go well. */
  readonly warn: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Sends what is new and what has changed since the last run, and what that one did not get done.
 * @returns whether everything that is in the folder is in the bucket now
 * @throws as `register`, `check` and `finished` · the signal's reason
 */
export async function runOnce(
  service: UploadService,
  { sourceFolder, bucket, print, warn, signal }: Run,
): Promise<boolean> {
  let sent = 0;
  service.on("file:uploaded", () => {
    sent += 1;
  });
  service.on("file:failed", ({ path, reason }) => warn(`${JSON.stringify(path)}: ${reason.code}: ${reason.message}`));
  await service.start({ signal });
  // The same id with the same settings is the upload of the last run.
  const { id } = await service.register({ id: "nightly", sourceFolder, bucket, mode: "once" }, { signal });
  await service.retry(id);
  const scan = await service.check(id, { signal });
  if (!scan?.complete) warn("The folder, or a part of it, could not be read.");
  const { state, progress } = await outcome(service, id, { warn, signal });
  print(`${sent} sent, ${progress.filesUploaded} of ${progress.filesTotal} files in the bucket`);
  return scan?.complete === true && state === "COMPLETED";
}

/** The upload when there is nothing left to do, whether it went well or not. */
async function outcome(
  service: UploadService,
  id: string,
  { warn, signal }: Pick<Run, "warn" | "signal">,
): Promise<Upload> {
  try {
    return await service.finished(id, { signal });
  } catch (error) {
    if (!(error instanceof UploadError && error.code === "UPLOAD_FAILED")) throw error;
    warn(`${error.code}: ${error.message}`);
    return await service.get(id);
  }
}
