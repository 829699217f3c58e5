import { S3Client } from "@aws-sdk/client-s3";
import { BucketlineError, type UploadService } from "@bucketline/core";
import { listContents } from "./contents.ts";
import type { Destination } from "./destination.ts";
import { type Display, openDisplay } from "./display.ts";
import { Failure } from "./failure.ts";
import { bytes, count, printable } from "./format.ts";
import { type LeftOut, leftOut, noteUnread } from "./left-out.ts";
import type { Plan } from "./plan.ts";
import { filesWithReasons, notInBucket, opening, outcome, type Run, verified, whereabouts } from "./report.ts";
import { bringUp, findEarlier, makeService } from "./session.ts";
import { Stopping } from "./stopping.ts";
import { verify } from "./verification.ts";

/**
 * Carries the plan out and prints how it goes. Resolves when everything is in the bucket.
 * @throws Stopped when a signal asked for it · Failure · BucketlineError · what S3 answers to the verification
 */
export async function carryOut(plan: Plan, destination: Destination, output: NodeJS.WriteStream): Promise<void> {
  const service = makeService(plan, destination);
  const display = openDisplay(service, output);
  const stopping = new Stopping(() => {
    display.note("Stopping: requests in flight may finish. Ctrl-C again stops at once.");
  });
  tellTrouble(service, display);
  const unread = noteUnread(service);
  const run = tally(service);
  try {
    for (const line of opening(plan, await findEarlier(service, plan.id))) display.note(line);
    const began = performance.now();
    const upload = await bringUp(service, plan, stopping.drain);
    display.end(upload.progress);
    const seconds = (performance.now() - began) / 1000;
    const missing = await leftOut(service, upload, unread);
    for (const line of outcome(upload, { ...run, seconds }, missing, destination.sandbox)) display.note(line);
    if (upload.state === "FAILED") await tellFailedFiles(service, upload, display);
    await inspect(service, plan, destination, display, stopping.drain);
    for (const line of notInBucket(missing)) display.note(line);
    if (plan.watch) await follow(service, display, stopping.drain);
    else refuseLeftOut(missing);
  } catch (error) {
    display.end(undefined);
    if (error instanceof BucketlineError && error.code === "UPLOAD_FAILED")
      await tellFailedFiles(service, plan, display);
    throw error;
  } finally {
    await service.stop({ signal: stopping.now });
    stopping.end();
  }
}

function tally(service: UploadService): Omit<Run, "seconds"> {
  const run = { uploaded: 0, uploadedBytes: 0 };
  service.on("file:uploaded", ({ size }) => {
    run.uploaded++;
    run.uploadedBytes += size;
  });
  return run;
}

/** Each kind of trouble once: a store that is away would repeat itself for every file. */
function tellTrouble(service: UploadService, display: Display): void {
  const told = new Set<string>();
  const tell = (what: string, code: string, message: string) => {
    if (told.has(code)) return;
    told.add(code);
    display.note(`${what} ${code}: ${printable(message)}`);
  };
  service.on("warning", ({ code, message }) => tell("Warning", code, message));
  service.on("file:retrying", ({ path, reason }) =>
    tell(`${printable(path)} will be tried again,`, reason.code, reason.message),
  );
}

/** Looks into the bucket with the SDK's own client, as anybody else would. */
async function inspect(
  service: UploadService,
  plan: Plan,
  { client: config, sandbox }: Destination,
  display: Display,
  signal: AbortSignal,
): Promise<void> {
  // The bytes as they are: whether they are right is for the comparison to say, not for the client's own checksum.
  const client = new S3Client({ ...config, responseChecksumValidation: "WHEN_REQUIRED" });
  try {
    if (sandbox) {
      const contents = await listContents(client, plan.bucket, plan.prefix);
      for (const line of whereabouts(plan, contents, sandbox)) display.note(line);
    }
    if (!plan.verify) return;
    const verification = await verify(service, plan, client, signal);
    for (const line of verified(verification)) display.note(line);
    if (verification.wrong.length > 0) {
      throw new Failure(
        "The bucket is not what the ledger says. If somebody changed it, stop every run of this upload, " +
          "then delete the ledger to start afresh: " +
          plan.ledger,
      );
    }
  } finally {
    client.destroy();
  }
}

/** Tells what happens, file by file, until the signal. */
async function follow(service: UploadService, display: Display, signal: AbortSignal): Promise<never> {
  display.note("Following the folder. Ctrl-C ends this; the next run goes on.");
  service.on("file:uploaded", ({ path, size }) => display.note(`uploaded ${printable(path)}  ${bytes(size)}`));
  service.on("file:removed", ({ path }) =>
    display.note(`removed from the folder, kept in the bucket: ${printable(path)}`),
  );
  service.on("file:failed", ({ path, reason }) =>
    display.note(`failed ${printable(path)}: ${printable(reason.message)}`),
  );
  // The service's own timers keep the process alive meanwhile.
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  throw signal.reason;
}

async function tellFailedFiles(
  service: UploadService,
  { id }: { readonly id: string },
  display: Display,
): Promise<void> {
  const { progress } = await service.get(id);
  if (progress.filesFailed === 0) return;
  display.note(`${count(progress.filesFailed, "file")} failed:`);
  const files = await service.files(id, { states: ["FAILED"], limit: 5 });
  for (const line of filesWithReasons(files)) display.note(line);
}

function refuseLeftOut({ files, complete }: LeftOut): void {
  if (files === 0 && complete) return;
  throw new Failure(
    "The bucket does not hold everything that is in the folder. Mend what is named above and run it again.",
  );
}
