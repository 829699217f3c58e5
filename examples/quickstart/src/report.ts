import type { FileRecord, Upload } from "@bucketline/core";
import type { Sandbox } from "@bucketline/s3-sandbox";
import type { Contents } from "./contents.ts";
import { trafficOf } from "./destination.ts";
import { bytes, count, duration, printable } from "./format.ts";
import type { LeftOut } from "./left-out.ts";
import type { Plan } from "./plan.ts";
import type { Found } from "./session.ts";
import type { Verification } from "./verification.ts";

const SHOWN = 5;

export function opening(plan: Plan, found: Found | undefined): string[] {
  const title = `${printable(plan.folder)} → s3://${plan.bucket}/${plan.prefix}`;
  if (!found) return [title];
  const { state, progress, createdAt } = found.upload;
  const { filesUploaded, filesTotal, filesFailed } = progress;
  const since = `Found the upload of ${new Date(createdAt).toLocaleString("sv-SE")}: `;
  const there = `${filesUploaded.toLocaleString("en-US")} of ${count(filesTotal, "file")} uploaded`;
  if (state === "COMPLETED") return [title, `${since}${there}, complete. Looking for new and changed files.`];
  const more = [
    ...(filesFailed > 0 ? [`${filesFailed.toLocaleString("en-US")} failed`] : []),
    ...(found.inFlight > 0 ? [`${count(found.inFlight, "file")} taken up when it was killed`] : []),
  ];
  return [title, `${since}${[there, ...more].join(", ")}. Going on where it was.`];
}

/** What this run did. */
export interface Run {
  readonly uploaded: number;
  readonly uploadedBytes: number;
  readonly seconds: number;
}

export function outcome(upload: Upload, run: Run, missing: LeftOut, sandbox: Sandbox | undefined): string[] {
  const { filesUploaded, filesSkipped } = upload.progress;
  const links = filesSkipped - missing.files;
  const skipped =
    links > 0 ? `; ${count(links, "entry").replace("entrys", "entries")} skipped (links and the like)` : "";
  const known = `${count(filesUploaded, "file")} known and in the bucket`;
  const done =
    run.uploaded === 0
      ? `Nothing to upload: ${known}, 0 uploaded${skipped}.`
      : `${count(run.uploaded, "file")} uploaded in this run, ${bytes(run.uploadedBytes)} in ${duration(run.seconds)}${skipped}.`;
  return [done, ...(sandbox ? [traffic(sandbox)] : [])];
}

function traffic(sandbox: Sandbox): string {
  const { requests, bytes: arrived, atLeast } = trafficOf(sandbox);
  return `The sandbox saw ${atLeast ? "at least " : ""}${count(requests, "request")} that sent file bytes, ${bytes(arrived)}.`;
}

export function whereabouts(plan: Plan, contents: Contents, sandbox: Sandbox): string[] {
  const { accessKeyId, secretAccessKey } = sandbox.credentials;
  const { objects, firstKeys } = contents;
  const more = objects - firstKeys.length;
  return [
    "",
    `In the bucket: ${count(objects, "object")}, ${bytes(contents.bytes)}`,
    ...firstKeys.map((key) => `  s3://${plan.bucket}/${printable(key)}`),
    ...(more > 0 ? [`  … and ${more.toLocaleString("en-US")} more`] : []),
    `On disk: ${plan.sandboxFolder}`,
    `Served at ${sandbox.endpoint} while this runs; with --watch it goes on, and you can look with the AWS CLI:`,
    `  AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} AWS_REGION=${sandbox.region} \\`,
    `    aws --endpoint-url ${sandbox.endpoint} s3 ls --recursive s3://${plan.bucket}/${plan.prefix}`,
    "",
  ];
}

export function verified({ same, bytes: compared, touched, wrong }: Verification): string[] {
  const last =
    wrong.length === 0
      ? `Verified: ${count(same, "object")}, ${bytes(compared)}, every one the same byte for byte (SHA-256).`
      : `${count(wrong.length, "object")} missing or other than the file (${count(same, "object")} the same):`;
  return [
    ...(touched.length > 0
      ? [`Changed or removed since they were uploaded, the next run sees to them: ${names(touched)}`]
      : []),
    last,
    ...(wrong.length > 0 ? [`  ${names(wrong)}`] : []),
  ];
}

export function filesWithReasons(files: readonly FileRecord[]): string[] {
  return files
    .slice(0, SHOWN)
    .map(({ path, reason }) => `  ${printable(path)}: ${printable(reason?.message ?? "no reason")}`);
}

/** Empty when everything that can be uploaded has been. */
export function notInBucket({ files, firstFiles, complete, unread }: LeftOut): string[] {
  const more = (all: number) => (all > SHOWN ? [`  … and ${(all - SHOWN).toLocaleString("en-US")} more`] : []);
  return [
    ...(files > 0
      ? [
          `${count(files, "file")} ${files === 1 ? "is" : "are"} NOT in the bucket:`,
          ...filesWithReasons(firstFiles),
          ...more(files),
        ]
      : []),
    ...(complete
      ? []
      : [
          "A part of the folder could not be read; new and changed files in it are NOT in the bucket:",
          ...unread.slice(0, SHOWN).map((message) => `  ${printable(message)}`),
          ...more(unread.length),
        ]),
  ];
}

function names(paths: readonly string[]): string {
  const more = paths.length - SHOWN;
  return (
    paths.slice(0, SHOWN).map(printable).join(", ") + (more > 0 ? ` and ${more.toLocaleString("en-US")} more` : "")
  );
}
