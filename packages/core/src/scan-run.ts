import { disposes, takenAway } from "./after-upload.ts";
import type { Deletions } from "./deletions.ts";
import type { Disposal } from "./disposal.ts";
import type { Reason } from "./errors.ts";
import { type Emit, emitWarning } from "./events.ts";
import type { Intake } from "./intake.ts";
import type { Ledger } from "./ledger.ts";
import { compilePatterns } from "./patterns.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileSystem } from "./ports/file-system.ts";
import type { StateStore } from "./ports/state-store.ts";
import { reconcile } from "./reconcile.ts";
import { requeueFailed } from "./requeue.ts";
import { scan } from "./scanner.ts";
import { openSource } from "./source.ts";
import { stabilityPolicy } from "./stability.ts";
import type { ScanSummary, UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

export interface ScanContext {
  readonly state: StateStore;
  readonly uploads: Uploads;
  readonly ledger: Ledger;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Milliseconds, as all of these. */
  readonly stabilityThreshold: number;
  readonly requeueFailedAfter: number;
  readonly deletions: Deletions;
  readonly disposal: Disposal;
  readonly intake: Intake;
  /** Who scans, for others to see. */
  readonly owner: string;
  /** The upload has, or may have, work. */
  readonly admit: (upload: UploadRecord) => void;
}

/** What the one who asks for a scan vouches for. */
export interface ScanRequest {
  /** The folder is as it should be, although it is empty or on another device: what is not in it is gone. Default: false. */
  readonly trustFolder?: boolean;
  /** However many objects of files that are gone are to be deleted, it is right: lifts `deleteLimit` once. Default: false. */
  readonly allowDeletes?: boolean;
}

/**
 * One scan of one upload that is the owner's: merges the folder with the ledger, records how it went, queues failed files
 * that are due again, and hands the upload over if there is work.
 * @throws SourceError when the folder cannot be read · the signal's reason
 */
export async function runScan(
  context: ScanContext,
  upload: UploadRecord,
  request: ScanRequest,
  signal: AbortSignal,
): Promise<ScanSummary> {
  const { uploads, clock, emit, owner } = context;
  const startedAt = clock.now();
  if (upload.spec.drop) await context.intake.takeIn(upload, signal);
  const root = await openSource(context.fileSystem, upload.spec);
  const device = String(root.facts.dev);
  const knownDevice = upload.lastScan?.device ?? device;
  const entries = scan(root, {
    filter: compilePatterns(upload.spec),
    followLinks: upload.spec.symlinks === "follow",
    signal,
  });
  const belief = {
    sameDevice: knownDevice === device,
    trusted: request.trustFolder ?? false,
    isTakenAway: takenAway(upload.spec),
  };
  const { work, doubt, ...counts } = await reconcile(entries, {
    ...context,
    ...belief,
    upload,
    stability: stabilityPolicy(upload.spec, context.stabilityThreshold),
    onWork: () => takeUp(context, upload.id, true),
    ...(disposes(upload.spec) && {
      onOverstaying: (path, facts) => context.disposal.settleFound(upload, path, facts),
    }),
  });
  if (upload.spec.drop) await context.intake.expire(upload, signal);
  if (doubt) emitWarning(emit, doubt, upload.id);
  const summary: ScanSummary = {
    startedAt,
    finishedAt: clock.now(),
    ...counts,
    complete: counts.complete && doubt === null,
    // Doubted until somebody vouches for the folder, or what is missing is back.
    device: doubt ? knownDevice : device,
    doubt,
  };
  const allowDeletes = request.allowDeletes ?? false;
  // Before the scan ends: until then nobody else can find, and queue, a file that is back.
  await context.deletions.deleteGone({ ...summary, ...belief, upload, root, allowDeletes }, signal);
  await uploads.endScan(upload.id, owner, summary);
  await requeueDue(context, upload);
  await takeUp(context, upload.id, work || (await hasWork(context, upload.id)));
  return summary;
}

/** What is due again of an upload that failed, in part or as a whole, without a scan: its next one may be far off. */
export async function takeUpAgain(context: ScanContext, upload: UploadRecord): Promise<void> {
  await requeueDue(context, upload);
  // One that failed because of its folder has to be scanned first.
  if (upload.state !== "FAILED" || upload.reason?.code.startsWith("SOURCE_")) return;
  await takeUp(context, upload.id, await hasWork(context, upload.id));
}

/** Also what another process queued, and then died or finished the upload at the same moment. */
async function hasWork({ state }: ScanContext, uploadId: string): Promise<boolean> {
  const { PENDING, IN_PROGRESS } = await state.counters(uploadId);
  return PENDING.files + IN_PROGRESS.files > 0;
}

async function requeueDue(context: ScanContext, { id, spec }: UploadRecord): Promise<void> {
  if (spec.mode !== "watch") return;
  const now = context.clock.now();
  const files = await requeueFailed(context, id, { now, dueBy: now, onWork: () => takeUp(context, id, true) });
  if (files > 0) context.emit("monitor:requeued", () => ({ uploadId: id, files }));
}

/** Hands the upload to whoever works on it, reopening it if it had finished and there is reason to. */
async function takeUp(context: ScanContext, uploadId: string, work: boolean): Promise<void> {
  const { uploads, clock, requeueFailedAfter, admit } = context;
  const upload = await uploads.get(uploadId);
  const reopen = shouldReopen(upload, work, clock.now() - requeueFailedAfter);
  admit(reopen ? await uploads.applyIfAllowed(uploadId, { type: "reopen" }) : upload);
}

/**
 * | upload                                       | reopen                        |
 * |----------------------------------------------|-------------------------------|
 * | COMPLETED, or FAILED because of some files   | when there is work            |
 * | FAILED because of its folder                 | yes: it has just been scanned |
 * | FAILED otherwise (bucket, access), watched   | after the requeue interval    |
 * | FAILED otherwise, not watched                | no                            |
 */
function shouldReopen(upload: UploadRecord, work: boolean, failedBy: number): boolean {
  if (upload.state === "COMPLETED") return work;
  if (upload.state !== "FAILED") return false;
  const code: Reason["code"] | undefined = upload.reason?.code;
  if (code === "UPLOAD_FAILED") return work;
  if (code?.startsWith("SOURCE_")) return true;
  return upload.spec.mode === "watch" && (upload.finishedAt ?? 0) <= failedBy;
}
