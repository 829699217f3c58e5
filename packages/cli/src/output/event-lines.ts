import type { EventName, Events, UploadService } from "@bucketline/core";
import { scanView, snakeNamed, timeView } from "@bucketline/http/views";
import type { Output } from "./output.ts";
import { printable } from "./printable.ts";

const TOLD = [
  "upload:registered",
  "upload:started",
  "upload:scanning",
  "upload:scanned",
  "upload:progress",
  "upload:completed",
  "upload:failed",
  "upload:reopened",
  "upload:paused",
  "upload:resumed",
  "upload:cancelled",
  "upload:waiting",
  "upload:changed",
  "upload:verified",
  "file:queued",
  "file:started",
  "file:progress",
  "file:uploaded",
  "file:retrying",
  "file:failed",
  "file:skipped",
  "file:unstable",
  "file:changed",
  "file:removed",
  "file:deleted",
  "file:claimed",
  "file:disposed",
  "step:started",
  "step:finished",
  "monitor:degraded",
  "warning",
] as const satisfies readonly EventName[];

type Told = Parameters<Events[(typeof TOLD)[number]]>[0];

/**
 * Writes what the service tells as one JSON object per line, in the names of the HTTP API; nothing without `--json`.
 * @returns ends it
 */
export function tellEvents(service: UploadService, output: Output): () => void {
  let isOver = !output.isJson || output.isQuiet;
  const end = () => {
    isOver = true;
  };
  if (isOver) return end;
  for (const event of TOLD)
    service.on(event, (payload: Told) => {
      if (!isOver) output.record({ event, at: timeView(Date.now()), ...eventView(payload) });
    });
  return end;
}

/** Of commands that tell nothing else of what happens: an object per warning with `--json`, else a line beside the result. */
export function tellWarnings(service: UploadService, output: Output): void {
  service.on("warning", (payload) => {
    if (!output.isQuiet) output.record({ event: "warning", at: timeView(Date.now()), ...eventView(payload) });
    output.note(`warning: ${payload.code}: ${printable(payload.message)}`);
  });
}

function eventView(payload: Told): object {
  if ("filesTotal" in payload) {
    const {
      fraction,
      filesTotal,
      filesUploaded,
      filesFailed,
      filesSkipped,
      filesPending,
      bytesTotal,
      bytesUploaded,
      ...rest
    } = payload;
    return {
      ...(snakeNamed(rest) as object),
      progress: fraction,
      total_files: filesTotal,
      completed_files: filesUploaded,
      failed_files: filesFailed,
      skipped_files: filesSkipped,
      pending_files: filesPending,
      total_bytes: bytesTotal,
      completed_bytes: bytesUploaded,
    };
  }
  return {
    ...(snakeNamed(payload) as object),
    ...("scan" in payload && { scan: scanView(payload.scan) }),
    ...("nextAttemptAt" in payload && { next_attempt_at: timeView(payload.nextAttemptAt) }),
    ...("startedAt" in payload && { started_at: timeView(payload.startedAt), ended_at: timeView(payload.endedAt) }),
    ...("until" in payload && { until: payload.until === null ? null : timeView(payload.until) }),
  };
}
