import type { CheckOptions, Upload, UploadService } from "@bucketline/core";
import { onlyUploads } from "../assembly/only-uploads.ts";
import { withService } from "../assembly/service.ts";
import { makeStore } from "../assembly/stores.ts";
import type { Context } from "../context.ts";
import { codeOf, EXIT, type ExitCode } from "../errors.ts";
import { printable } from "../output/printable.ts";
import { refuseUnfit } from "../transfer/fitness.ts";
import { exitCodeFor, type Outcome } from "../transfer/outcome.ts";
import { Pass, pace } from "../transfer/pass.ts";
import { refuseUnreachable } from "../transfer/reach.ts";
import { reportLines, summaryView } from "../transfer/report.ts";

interface ScanArguments {
  readonly id?: string;
  readonly allowDeletes?: boolean;
  readonly trustFolder?: boolean;
}

const NEVER_MS = 2 ** 40;

/** Scans one upload, or every active one, once, and ends when everything that was found is sent. */
export async function run(context: Context, { id, ...request }: ScanArguments): Promise<ExitCode> {
  const store = await makeStore(context.config, { mustExist: true });
  const state = id === undefined ? store : onlyUploads(store, [id]);
  const options = { state, watcher: "none" as const, monitorInterval: NEVER_MS, ...pace(context) };
  let pass: Pass | undefined;
  try {
    return await withService(
      context,
      { bucket: true, makesLedger: false, tellsWarnings: true, options },
      async (service) => {
        const uploads = id === undefined ? await activeUploads(service) : [await service.get(id)];
        if (id !== undefined) for (const upload of uploads) refuseUnfit(upload);
        if (uploads.length === 0) {
          context.output.note("There is no active upload.");
          return EXIT.done;
        }
        if (id !== undefined) await refuseUnreachable(service, context.signal);
        pass = new Pass({ service, context });
        pass.begin();
        await service.start({ signal: context.signal });
        const outcomes = await bringAllUp(context, pass, uploads, request, id === undefined);
        pass.end();
        for (const outcome of outcomes) tell(context, outcome, id === undefined);
        const codes = outcomes.map(exitCodeFor);
        return id === undefined ? together(codes) : (codes[0] ?? EXIT.done);
      },
    );
  } finally {
    pass?.end();
  }
}

/** Those that are neither paused nor over. */
async function activeUploads(service: UploadService): Promise<Upload[]> {
  const active: Upload[] = [];
  const states = ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"] as const;
  for (let after: string | undefined; ; ) {
    const page = await service.list({ states, limit: PAGE, ...(after !== undefined && { after }) });
    active.push(
      ...page.filter(({ state, spec }) => spec.mode === "watch" || state === "PENDING" || state === "IN_PROGRESS"),
    );
    after = page.at(-1)?.id;
    if (page.length < PAGE) return active;
  }
}

const PAGE = 200;

/** @returns how each of them went, but for those that belong to another host or were taken away meanwhile */
async function bringAllUp(
  { signal }: Context,
  pass: Pass,
  uploads: readonly Upload[],
  request: Omit<CheckOptions, "signal">,
  isLenient: boolean,
): Promise<Outcome[]> {
  const outcomes = uploads.map(async ({ id }) => {
    try {
      return await pass.outcomeOf(await pass.bringUp(id, request));
    } catch (error) {
      const code = codeOf(error);
      const isNotOurs = code === "UPLOAD_ELSEWHERE" || code === "UPLOAD_CANCELLED" || code === "INVALID_TRANSITION";
      if (!isLenient || !isNotOurs || signal.aborted) throw error;
      pass.note(`${printable(id)}: ${printable((error as Error).message)}`);
      return undefined;
    }
  });
  return (await Promise.all(outcomes)).filter((outcome) => outcome !== undefined);
}

/** Quietly, only what needs somebody to look: what a cron job prints is sent by mail. */
function tell({ output }: Context, outcome: Outcome, isNamed: boolean): void {
  output.record(summaryView(outcome));
  if (output.isJson) return;
  if (output.isQuiet && exitCodeFor(outcome) === EXIT.done) return;
  const stream = output.isQuiet ? output.stderr : output.stdout;
  const lines = reportLines(outcome, stream);
  const title = isNamed || output.isQuiet ? [stream.style("bold", printable(outcome.upload.id))] : [];
  stream.write([...title, ...lines].map((line) => `${line}\n`).join(""));
}

/** Unreachable when all that went wrong is that; failed when anything else did. */
function together(codes: readonly ExitCode[]): ExitCode {
  const wrong = codes.filter((code) => code !== EXIT.done);
  if (wrong.length === 0) return EXIT.done;
  return wrong.every((code) => code === EXIT.unreachable) ? EXIT.unreachable : EXIT.failed;
}
