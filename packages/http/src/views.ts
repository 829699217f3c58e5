import type {
  FileRecord,
  Finding,
  PlanItem,
  PlanTotals,
  ScanSummary,
  StepTrace,
  TimelineEntry,
  Upload,
} from "@bucketline/core";
import { renamed, snake } from "./names.ts";
import type { FileView, StepRunView, TimelineEntryView } from "./schemas/file.ts";
import type { FindingView, PlanItemView, PlanTotalsView } from "./schemas/steering.ts";
import type { ScanView, SettingsView, UploadView } from "./schemas/upload.ts";

/** The years that RFC 3339 can write. */
const EARLIEST = Date.parse("0000-01-01T00:00:00.000Z");
const LATEST = Date.parse("9999-12-31T23:59:59.999Z");

/** RFC 3339. Files may claim any time; what cannot be written is brought to the nearest that can. */
export function timeView(ms: number): string {
  return new Date(Math.min(Math.max(ms, EARLIEST), LATEST)).toISOString();
}

/** An upload as the API shows it. */
export function uploadView(upload: Upload): UploadView {
  const { progress, spec, state } = upload;
  const { sourceFolder, bucket, storeLocation, ...settings } = spec;
  return {
    upload_id: upload.id,
    state,
    status: state === "PENDING" ? "pending" : state === "CANCELLED" ? "cancelled" : "active",
    reason: upload.reason,
    progress: progress.fraction,
    total_files: progress.filesTotal,
    completed_files: progress.filesUploaded,
    failed_files: progress.filesFailed,
    skipped_files: progress.filesSkipped,
    pending_files: progress.filesPending,
    total_bytes: progress.bytesTotal,
    completed_bytes: progress.bytesUploaded,
    rate: progress.rate,
    eta_seconds: progress.etaSeconds,
    source_folder: sourceFolder,
    destination_bucket: bucket,
    settings: snakeNamed(settings) as SettingsView,
    last_scan: upload.lastScan && scanView(upload.lastScan),
    watch: upload.watch,
    created_at: timeView(upload.createdAt),
    updated_at: timeView(upload.updatedAt),
    finished_at: upload.finishedAt === null ? null : timeView(upload.finishedAt),
  };
}

/** How a scan went, as the API shows it. */
export function scanView({ device, startedAt, finishedAt, ...counts }: ScanSummary): ScanView {
  return { started_at: timeView(startedAt), finished_at: timeView(finishedAt), ...counts };
}

/** Names a file in paths of the API. */
export function fileIdOf(path: string): string {
  return Buffer.from(path).toString("base64url");
}

/** @returns undefined when no path has this id */
export function pathOfFileId(id: string): string | undefined {
  const path = Buffer.from(id, "base64url").toString();
  return path !== "" && fileIdOf(path) === id ? path : undefined;
}

/** A file as the API shows it. */
export function fileView(file: FileRecord): FileView {
  const { evidence, transfer } = file;
  return {
    file_id: fileIdOf(file.path),
    path: file.path,
    state: file.state,
    reason: file.reason,
    size: file.size,
    modified_at: timeView(Number(file.mtimeNs / 1_000_000n)),
    key: file.key,
    etag: evidence?.etag ?? null,
    version_id: evidence?.versionId ?? null,
    checksum: evidence?.checksum ?? null,
    uploaded_at: evidence ? timeView(evidence.uploadedAt) : null,
    attempts: file.attempts,
    next_attempt_at: file.nextAttemptAt > 0 ? timeView(file.nextAttemptAt) : null,
    part_size: transfer?.partSize ?? null,
    steps: file.steps.map(stepRunView),
    created_at: timeView(file.createdAt),
    updated_at: timeView(file.updatedAt),
  };
}

/** A run of a step as the API shows it. */
function stepRunView({ step, outcome, startedAt, endedAt, bytesIn, bytesOut, message }: StepTrace): StepRunView {
  return {
    step,
    outcome,
    started_at: timeView(startedAt),
    ended_at: timeView(endedAt),
    // A clock may be set back meanwhile.
    duration_ms: Math.max(0, endedAt - startedAt),
    bytes_in: bytesIn,
    bytes_out: bytesOut,
    message,
  };
}

/** An entry of a file's timeline as the API shows it. */
export function timelineView(entry: TimelineEntry): TimelineEntryView {
  const { at, what } = entry;
  return {
    at: at === null ? null : timeView(at),
    what,
    attempt: "attempt" in entry ? entry.attempt : null,
    reason: "reason" in entry ? entry.reason : null,
    parts: "parts" in entry ? entry.parts : null,
    bytes: "bytes" in entry ? entry.bytes : "size" in entry ? entry.size : null,
    key: "key" in entry ? entry.key : null,
    etag: "etag" in entry ? entry.etag : null,
    step: what === "step" ? stepRunView(entry) : null,
  };
}

/** What would become of one file, as the API shows it. */
export function planItemView({ notBefore, ...item }: PlanItem): PlanItemView {
  return { ...item, not_before: notBefore === null ? null : timeView(notBefore) };
}

/** The sums of a plan, as the API shows them. */
export function planTotalsView({ actions, complete, doubt, deletesHeld }: PlanTotals): PlanTotalsView {
  return { actions, complete, doubt, deletes_held: deletesHeld };
}

/** What a verification has found, as the API shows it. */
export function findingView(finding: Finding): FindingView {
  return { ...finding };
}

/** The same JSON with the API's names in every object, at every depth. */
export function snakeNamed(value: unknown): unknown {
  return renamed(value, snake);
}
