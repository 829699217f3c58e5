import type { Upload, UploadState } from "@bucketline/core";
import { uploadView } from "@bucketline/http/views";
import { withService } from "../assembly/service.ts";
import { ledgerPlace } from "../assembly/stores.ts";
import type { Context } from "../context.ts";
import { printable } from "../output/printable.ts";
import { bytes, count, duration, moment, percent } from "../output/quantities.ts";
import { stateCell } from "../output/states.ts";
import { uploadsOf } from "./ls.ts";

/** Shows how one upload stands, or all of them together. */
export async function run(context: Context, { id }: { readonly id?: string }): Promise<undefined> {
  await withService(context, { bucket: false, makesLedger: false }, async (service) => {
    if (id !== undefined) {
      const upload = await service.get(id);
      context.output.record(uploadView(upload));
      return showOne(context, upload);
    }
    const sums = new Sums();
    for await (const upload of uploadsOf(service, Number.POSITIVE_INFINITY)) {
      context.signal.throwIfAborted();
      sums.add(upload);
    }
    context.output.record(sums.view(ledgerPlace(context.config)));
    showAll(context, sums);
  });
}

/** What all uploads are together. */
class Sums {
  uploads = 0;
  readonly states = new Map<UploadState, number>();
  totalFiles = 0;
  completedFiles = 0;
  failedFiles = 0;
  skippedFiles = 0;
  pendingFiles = 0;
  totalBytes = 0;
  completedBytes = 0;

  add({ state, progress }: Upload): void {
    this.uploads += 1;
    this.states.set(state, (this.states.get(state) ?? 0) + 1);
    this.totalFiles += progress.filesTotal;
    this.completedFiles += progress.filesUploaded;
    this.failedFiles += progress.filesFailed;
    this.skippedFiles += progress.filesSkipped;
    this.pendingFiles += progress.filesPending;
    this.totalBytes += progress.bytesTotal;
    this.completedBytes += progress.bytesUploaded;
  }

  view(ledger: string) {
    return {
      ledger,
      uploads: this.uploads,
      uploads_by_state: Object.fromEntries(this.states),
      total_files: this.totalFiles,
      completed_files: this.completedFiles,
      failed_files: this.failedFiles,
      skipped_files: this.skippedFiles,
      pending_files: this.pendingFiles,
      total_bytes: this.totalBytes,
      completed_bytes: this.completedBytes,
    };
  }
}

function showAll({ output, config }: Context, sums: Sums): void {
  if (output.isJson) return;
  const states = [...sums.states].map(([state, number]) => `${number} ${stateCell(state).text}`).join(", ");
  showFacts(output.line, [
    ["ledger", ledgerPlace(config)],
    ["uploads", states ? `${sums.uploads.toLocaleString("en-US")}: ${states}` : "none"],
    ["files", filesOf(sums.totalFiles, sums.completedFiles, sums.failedFiles, sums.skippedFiles, sums.pendingFiles)],
    ["bytes", `${bytes(sums.completedBytes)} of ${bytes(sums.totalBytes)}`],
  ]);
}

function showOne({ output }: Context, upload: Upload): void {
  if (output.isJson) return;
  const { spec, progress, reason, lastScan } = upload;
  const scan =
    lastScan &&
    `${moment(lastScan.finishedAt)}, ${count(lastScan.seen, "file")} seen${lastScan.complete ? "" : ", not all could be read"}`;
  showFacts(output.line, [
    ["upload", upload.id],
    ["state", stateCell(upload.state).text],
    ["reason", reason ? `${reason.code}: ${reason.message}` : ""],
    ["folder", spec.sourceFolder],
    ["bucket", spec.bucket],
    ["keys", `${spec.keyTemplate}${spec.keySuffix}`],
    ["pipeline", spec.pipeline ?? ""],
    ["afterwards", afterwards(spec)],
    ["done", percent(progress.fraction)],
    [
      "files",
      filesOf(
        progress.filesTotal,
        progress.filesUploaded,
        progress.filesFailed,
        progress.filesSkipped,
        progress.filesPending,
      ),
    ],
    ["bytes", `${bytes(progress.bytesUploaded)} of ${bytes(progress.bytesTotal)}`],
    ["last scan", scan ?? "never"],
    ["registered", moment(upload.createdAt)],
    ["changed", moment(upload.updatedAt)],
  ]);
}

/** Nothing for files that stay. */
function afterwards({ drop, afterUpload }: Upload["spec"]): string {
  if (drop)
    return `drop folder; done/ is kept ${drop.retention === null ? "for ever" : duration(drop.retention / 1_000)}`;
  return typeof afterUpload === "object" ? `moved to ${afterUpload.moveTo}` : afterUpload === "delete" ? "deleted" : "";
}

function filesOf(total: number, uploaded: number, failed: number, skipped: number, pending: number): string {
  const parts = [`${uploaded} uploaded`, `${pending} pending`, `${failed} failed`, `${skipped} skipped`];
  return `${total.toLocaleString("en-US")}: ${parts.join(", ")}`;
}

function showFacts(line: (text: string) => void, facts: readonly (readonly [string, string])[]): void {
  for (const [name, value] of facts) if (value) line(`${name.padEnd(12)}${printable(value)}`);
}
