import { snakeNamed, uploadView } from "@bucketline/http/views";
import type { ExitCode } from "../errors.ts";
import { widthOf, wrapWords } from "../output/columns.ts";
import { printable } from "../output/printable.ts";
import { bytes, count, duration } from "../output/quantities.ts";
import type { Terminal } from "../output/terminal.ts";
import { exitCodeFor, isOnPurpose, type Outcome, type ReasonGroup } from "./outcome.ts";
import type { Pass } from "./pass.ts";

/** What a run has come to, for people. */
export function reportLines(outcome: Outcome, terminal: Terminal): string[] {
  const { upload, failed, skipped, warnings, verification } = outcome;
  const { style } = terminal;
  const width = widthOf(terminal);
  const isDone = exitCodeFor(outcome) === 0;
  const title = isDone ? style("green", "Done.") : style("red", "Not everything is in the bucket.");
  const leftOut = skipped.filter(isOnPurpose);
  const missing = skipped.filter((group) => !isOnPurpose(group));
  return [
    `${title} ${done(outcome)}`,
    ...facts(outcome, leftOut),
    ...(upload.state === "FAILED" && upload.reason && upload.reason.code !== "UPLOAD_FAILED"
      ? [style("red", `${upload.reason.code}: ${printable(upload.reason.message)}`)]
      : []),
    ...groupLines("failed", failed, terminal),
    ...groupLines("cannot be in the bucket", missing, terminal),
    ...warnings.map(({ code, message }) => style("yellow", `${code}: ${printable(message)}`)),
    ...(verification ? [verificationLine(verification)] : []),
    ...next(outcome).map((line) => wrapWords(line, width, { first: "", rest: "" })),
  ];
}

function done({ run }: Outcome): string {
  if (run.uploaded === 0) return `Nothing was new, in ${elapsed(run.seconds)}.`;
  // Of a few bytes it says nothing.
  const rate = run.sentBytes >= 1_000_000 ? `, ${bytes(run.sentBytes / run.seconds)}/s` : "";
  return `${count(run.uploaded, "file")} uploaded, ${bytes(run.sentBytes)} in ${elapsed(run.seconds)}${rate}.`;
}

function elapsed(seconds: number): string {
  return seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

function facts({ upload, run }: Outcome, leftOut: readonly ReasonGroup[]): string[] {
  const { filesUploaded, bytesUploaded, filesTotal } = upload.progress;
  const there =
    filesUploaded === filesTotal
      ? count(filesTotal, "file")
      : `${filesUploaded.toLocaleString("en-US")} of ${count(filesTotal, "file")}`;
  const more = [
    ...(run.deleted > 0 ? [`${count(run.deleted, "object")} deleted`] : []),
    ...(run.removed > run.deleted
      ? [`${count(run.removed - run.deleted, "file")} gone from the folder, kept in the bucket`]
      : []),
    ...leftOut.map(({ code, files }) => `${count(files, "file")} ${PURPOSES[code] ?? "left out"}`),
  ];
  return [`In the bucket: ${there}, ${bytes(bytesUploaded)}${more.map((text) => `; ${text}`).join("")}.`];
}

const PURPOSES: Readonly<Partial<Record<string, string>>> = {
  SOURCE_NOT_REGULAR: "left out (links and special files)",
  OBJECT_EXISTS: "left alone (an object has the key)",
  FILE_FILTERED: "left out (size or age)",
};

const BELOW = { first: "  ", rest: "    " };

/** Files by why they are not in the bucket, with what to do. */
export function groupLines(what: string, groups: readonly ReasonGroup[], terminal: Terminal): string[] {
  const { style } = terminal;
  const width = widthOf(terminal);
  return groups.flatMap(({ code, files, examples, remedy }) => [
    style("red", `${count(files, "file")} ${what}: ${code}`),
    ...examples.map(({ path, message }) => wrapWords(printable(`${path}: ${message}`), width, BELOW)),
    ...(files > examples.length
      ? [style("dim", `  and ${(files - examples.length).toLocaleString("en-US")} more`)]
      : []),
    wrapWords(`${style("yellow", "What to do:")} ${remedy}`, width, BELOW),
  ]);
}

function verificationLine({ checkedFiles, missing, different, extra }: NonNullable<Outcome["verification"]>): string {
  const looked = `Verified: ${count(checkedFiles, "object")} looked for`;
  if (missing + different === 0)
    return `${looked}, every one as it was sent${extra ? `; ${extra.toLocaleString("en-US")} of others beside them` : ""}.`;
  return `${looked}: ${missing.toLocaleString("en-US")} missing, ${different.toLocaleString("en-US")} different.`;
}

function next({ upload, failed, verification }: Outcome): string[] {
  const id = printable(upload.id);
  const findings = (verification?.missing ?? 0) + (verification?.different ?? 0);
  return [
    ...(failed.length > 0
      ? [`All of them: bucketline files ${id} --state failed. Run the same command again to try them again.`]
      : []),
    ...(findings > 0 ? [`To send them again: bucketline verify ${id} --repair`] : []),
  ];
}

/** The last line of `--json`. */
export function summaryView(outcome: Outcome): object {
  const { upload, run, failed, skipped, warnings, verification } = outcome;
  return {
    event: "summary",
    exit_code: exitCodeFor(outcome),
    upload_id: upload.id,
    uploaded_files: run.uploaded,
    uploaded_bytes: run.sentBytes,
    removed_files: run.removed,
    deleted_objects: run.deleted,
    seconds: rounded(run.seconds),
    failed,
    skipped,
    warnings,
    verification: verification ? snakeNamed(verification) : null,
    interrupted: false,
    upload: uploadView(upload),
  };
}

/** The last line of `--json` when somebody has stopped it. */
export function interruptedView(
  uploadId: string,
  { observation, seconds }: Pick<Pass, "observation" | "seconds">,
  exitCode: ExitCode,
): object {
  const { uploaded, sentBytes } = observation.tallyOf(uploadId);
  return {
    event: "summary",
    exit_code: exitCode,
    upload_id: uploadId,
    uploaded_files: uploaded,
    uploaded_bytes: sentBytes,
    seconds: rounded(seconds),
    interrupted: true,
  };
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
