import type { Engine } from "./engine.ts";
import type { WatchStatus } from "./live-watches.ts";
import type { Progress } from "./progress.ts";
import type { UploadRecord } from "./upload.ts";

/** An upload as it stands, with its progress. */
export interface Upload extends UploadRecord {
  readonly progress: Progress;
  /** How this service comes to know of changes in the folder. */
  readonly watch: WatchStatus;
}

/** @throws StateStoreError */
export async function viewUpload(
  { context, monitor }: Pick<Engine, "context" | "monitor">,
  upload: UploadRecord,
): Promise<Upload> {
  const progress = context.progress.progress(upload, await context.state.counters(upload.id));
  return { ...upload, progress, watch: monitor.watchStatus(upload.id) };
}
