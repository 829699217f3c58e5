import { join } from "node:path";
import type { Upload, UploadService } from "@bucketline/core";
import { uploadView } from "@bucketline/http/views";
import { onlyUploads } from "../assembly/only-uploads.ts";
import { withService } from "../assembly/service.ts";
import { makeStore } from "../assembly/stores.ts";
import type { Context } from "../context.ts";
import { EXIT, type ExitCode, Interrupted } from "../errors.ts";
import { printable } from "../output/printable.ts";
import { count } from "../output/quantities.ts";
import { DropTally } from "../transfer/drop-tally.ts";
import { refuseUnfit } from "../transfer/fitness.ts";
import { type Errand, type Identified, uploadOf } from "../transfer/identity.ts";
import { codeToExit, type Outcome } from "../transfer/outcome.ts";
import { Pass, pace } from "../transfer/pass.ts";
import { refuseUnreachable } from "../transfer/reach.ts";
import { earlierOf, registerAgain } from "../transfer/registering.ts";
import { groupLines } from "../transfer/report.ts";

interface DropArguments extends Errand {
  /** Milliseconds. */
  readonly retention?: number;
  readonly once?: boolean;
}

interface Drop {
  readonly context: Context;
  readonly service: UploadService;
  readonly pass: Pass;
  readonly tally: DropTally;
  readonly asked: Identified;
}

/** Takes files from incoming/ of a folder, sends them, and moves them to done/ or failed/: once, or until it is stopped. */
export async function run(context: Context, { retention, once = false, ...errand }: DropArguments): Promise<ExitCode> {
  const asked = uploadOf(context, errand, { retention: retention ?? null });
  const { config, output } = context;
  const state = onlyUploads(await makeStore(config, { mustExist: false }), [asked.id]);
  // As sync: whoever calls it means the files as they are now, unless he says for how long they must have been quiet.
  const asTheyAre = config.origins.stabilityThreshold.from === "default" ? { stabilityThreshold: 0 } : {};
  const alone = once ? { ...asTheyAre, watcher: "none" as const } : {};
  let drop: Drop | undefined;
  try {
    const needs = {
      bucket: true,
      makesLedger: true,
      tellsWarnings: true,
      options: { ...alone, ...pace(context), state },
    };
    const outcome = await withService(context, needs, async (service) => {
      const pass = new Pass({ service, context, tellsAll: true });
      const tally = new DropTally(service, (line) => pass.note(line), output.stdout);
      drop = { context, service, pass, tally, asked };
      await begin(drop, once);
      return once ? await pass.outcomeOf(await pass.bringUp(asked.id, {})) : await follow(drop);
    });
    // What became of the last files is known once the service has stopped.
    return conclude(drop, outcome);
  } catch (error) {
    if (error instanceof Interrupted && drop) stopped(drop, error.exitCode);
    throw error;
  } finally {
    drop?.pass.end();
  }
}

async function begin({ context, service, pass, asked }: Drop, once: boolean): Promise<void> {
  const { output, signal } = context;
  const prefix = (asked.keyTemplate ?? "").replace(/\{.*$/s, "");
  const from = printable(join(asked.sourceFolder, "incoming"));
  pass.note(output.stdout.style("bold", `${from} → s3://${printable(asked.bucket)}/${printable(prefix)}`));
  const earlier = await earlierOf(service, asked.id);
  if (earlier) refuseUnfit(earlier);
  await registerAgain(service, asked, { isFollowed: !once, signal });
  await refuseUnreachable(service, signal);
  pass.begin();
  await service.start({ signal });
}

async function follow({ context, service, pass, asked }: Drop): Promise<never> {
  const { signal } = context;
  pass.say("waiting for files");
  pass.note("Taking files as they come. Ctrl-C ends it; the next run goes on.");
  try {
    await service.check(asked.id, { signal });
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    // Services that share the ledger are not to go on with it.
    await service.adjust(asked.id, { schedule: "manual" });
  }
  throw signal.reason;
}

function conclude(drop: Drop | undefined, { upload, warnings }: Outcome): ExitCode {
  if (!drop) return EXIT.failed;
  const { context, pass, tally } = drop;
  const { output } = context;
  const reasons = tally.reasons;
  const code = exitCodeFor(upload, reasons, warnings.length);
  pass.end();
  output.record({ ...summary(drop, code), failed: reasons, warnings, interrupted: false, upload: uploadView(upload) });
  if (output.isJson || (output.isQuiet && code === EXIT.done)) return code;
  const stream = output.isQuiet ? output.stderr : output.stdout;
  const lines = [
    `${code === EXIT.done ? stream.style("green", "Done.") : stream.style("red", "Not everything is in the bucket.")} ${sums(tally)}`,
    ...groupLines("failed", reasons, stream),
    ...warnings.map((one) => stream.style("yellow", `${one.code}: ${printable(one.message)}`)),
  ];
  stream.write(lines.map((line) => `${line}\n`).join(""));
  return code;
}

function stopped(drop: Drop, code: ExitCode): void {
  drop.pass.end();
  drop.context.output.record({ ...summary(drop, code), interrupted: true });
  if (!drop.context.output.isQuiet) drop.context.output.line(sums(drop.tally));
}

function sums({ claimed, done, failed }: DropTally): string {
  return `${count(claimed, "file")} taken in, ${done.toLocaleString("en-US")} moved to done/, ${failed.toLocaleString("en-US")} to failed/.`;
}

function summary({ asked, pass, tally }: Drop, code: ExitCode) {
  return {
    event: "summary",
    exit_code: code,
    upload_id: asked.id,
    claimed_files: tally.claimed,
    done_files: tally.done,
    failed_files: tally.failed,
    seconds: Math.round(pass.seconds * 1_000) / 1_000,
  };
}

/** Of this run: what lies in failed/ since earlier ones has been told then. */
function exitCodeFor({ state, reason }: Upload, reasons: Outcome["failed"], warnings: number): ExitCode {
  if (state === "FAILED" && reason && reason.code !== "UPLOAD_FAILED") return codeToExit(reason.code);
  if (reasons.length > 0 && reasons.every(({ code }) => codeToExit(code) === EXIT.unreachable)) return EXIT.unreachable;
  return reasons.length + warnings > 0 ? EXIT.failed : EXIT.done;
}
