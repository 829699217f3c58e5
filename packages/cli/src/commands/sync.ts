import type { UploadService } from "@bucketline/core";
import { onlyUploads } from "../assembly/only-uploads.ts";
import { withService } from "../assembly/service.ts";
import { makeStore } from "../assembly/stores.ts";
import type { Context } from "../context.ts";
import { EXIT, type ExitCode, Interrupted } from "../errors.ts";
import { printable } from "../output/printable.ts";
import { bytes, count } from "../output/quantities.ts";
import { refuseUnfit } from "../transfer/fitness.ts";
import { foretell } from "../transfer/foretelling.ts";
import { type Errand, type Identified, uploadOf } from "../transfer/identity.ts";
import { exitCodeFor, type Outcome } from "../transfer/outcome.ts";
import { Pass, pace } from "../transfer/pass.ts";
import { refuseUnreachable } from "../transfer/reach.ts";
import { earlierOf, registerAgain } from "../transfer/registering.ts";
import { interruptedView, reportLines, summaryView } from "../transfer/report.ts";

interface SyncArguments extends Errand {
  readonly dryRun?: boolean;
  readonly watch?: boolean;
  readonly verify?: boolean;
  readonly allowDeletes?: boolean;
  readonly trustFolder?: boolean;
}

/** Brings a folder into a bucket and shows how it goes. The same command again goes on where it was, however it ended. */
export async function run(context: Context, args: SyncArguments): Promise<ExitCode> {
  const asked = uploadOf(context, args);
  const { allowDeletes = false, trustFolder = false } = args;
  if (args.dryRun) return await foretell(context, asked, { allowDeletes, trustFolder });
  const state = onlyUploads(await makeStore(context.config, { mustExist: false }), [asked.id]);
  // Whoever calls it means the files as they are now; only those of a folder that is followed may be half written.
  const alone = args.watch ? {} : { stabilityThreshold: 0, watcher: "none" as const };
  let pass: Pass | undefined;
  try {
    return await withService(
      context,
      { bucket: true, makesLedger: true, tellsWarnings: true, options: { ...alone, ...pace(context), state } },
      async (service) => {
        pass = new Pass({ service, context });
        return await new Sync({ context, service, pass, asked, args }).run();
      },
    );
  } catch (error) {
    if (error instanceof Interrupted && pass) context.output.record(interruptedView(asked.id, pass, error.exitCode));
    throw error;
  } finally {
    pass?.end();
  }
}

interface SyncOptions {
  readonly context: Context;
  readonly service: UploadService;
  readonly pass: Pass;
  readonly asked: Identified;
  readonly args: SyncArguments;
}

class Sync {
  readonly #options: SyncOptions;

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  async run(): Promise<ExitCode> {
    const { context, service, pass, asked, args } = this.#options;
    const { signal } = context;
    await this.#announce();
    await registerAgain(service, asked, { isFollowed: args.watch === true, signal });
    await refuseUnreachable(service, signal);
    pass.begin();
    await service.start({ signal });
    await service.retry(asked.id);
    const { allowDeletes = false, trustFolder = false, verify = false, watch = false } = args;
    const upload = await pass.bringUp(asked.id, { allowDeletes, trustFolder });
    const outcome = await pass.outcomeOf(
      upload,
      verify && upload.state === "COMPLETED" ? await this.#verify() : undefined,
    );
    if (watch && (upload.state === "COMPLETED" || upload.reason?.code === "UPLOAD_FAILED"))
      return await this.#follow(outcome);
    pass.end();
    this.#report(outcome);
    return exitCodeFor(outcome);
  }

  async #announce(): Promise<void> {
    const { context, service, pass, asked } = this.#options;
    const prefix = (asked.keyTemplate ?? "").replace(/\{.*$/s, "");
    const { style } = context.output.stdout;
    pass.note(style("bold", `${printable(asked.sourceFolder)} → s3://${printable(asked.bucket)}/${printable(prefix)}`));
    const earlier = await earlierOf(service, asked.id);
    if (!earlier) return;
    refuseUnfit(earlier);
    const { filesUploaded, filesTotal, bytesUploaded } = earlier.progress;
    pass.observation.put(earlier.progress);
    if (earlier.lastScan || filesTotal > 0) {
      const there = `${filesUploaded.toLocaleString("en-US")} of ${count(filesTotal, "file")}, ${bytes(bytesUploaded)}`;
      pass.note(style("dim", `Going on with ${printable(asked.id)}: ${there} in the bucket already.`));
    }
  }

  async #verify() {
    const { context, service, pass, asked } = this.#options;
    const { style } = context.output.stdout;
    pass.say("verifying");
    const report = await service.verify(asked.id, {
      signal: context.signal,
      onFinding: ({ kind, key }) => {
        if (kind !== "extra") pass.note(`${style("red", kind.padEnd(9))} ${printable(key)}`);
      },
    });
    pass.say("");
    return report;
  }

  /** Tells what happens, file by file, until it is to stop. */
  async #follow(outcome: Outcome): Promise<never> {
    const { context, service, pass, asked } = this.#options;
    const { signal, output } = context;
    for (const line of reportLines(outcome, output.stdout)) pass.note(line);
    output.record(summaryView(outcome));
    pass.say("following the folder");
    pass.note("Following the folder. Ctrl-C ends it; the next run goes on.");
    service.on("file:uploaded", ({ path, size }) => pass.note(`uploaded ${printable(path)}  ${bytes(size)}`));
    service.on("file:deleted", ({ path }) => pass.note(`deleted  ${printable(path)}`));
    service.on("file:removed", ({ path }) => pass.note(`gone     ${printable(path)}`));
    try {
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

  #report(outcome: Outcome): void {
    const { output } = this.#options.context;
    output.record(summaryView(outcome));
    if (output.isJson) return;
    const stream = output.isQuiet ? output.stderr : output.stdout;
    if (output.isQuiet && exitCodeFor(outcome) === EXIT.done) return;
    stream.write(
      reportLines(outcome, stream)
        .map((line) => `${line}\n`)
        .join(""),
    );
  }
}
