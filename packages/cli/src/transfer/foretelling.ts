import type {
  CheckOptions,
  PlanAction,
  PlanItem,
  PlanTotals,
  RegisterOptions,
  StateStore,
  UploadService,
} from "@bucketline/core";
import { planItemView, planTotalsView } from "@bucketline/http/views";
import { withService } from "../assembly/service.ts";
import { makeStore } from "../assembly/stores.ts";
import type { Context } from "../context.ts";
import { CommandError, EXIT, type ExitCode } from "../errors.ts";
import type { Output } from "../output/output.ts";
import { printable } from "../output/printable.ts";
import { bytes, count, moment } from "../output/quantities.ts";
import type { Style } from "../output/terminal.ts";

type Request = Pick<CheckOptions, "allowDeletes" | "trustFolder">;

/** Says what a scan would do: of an upload by its id, or of one that is not registered. Changes nothing. */
export async function foretell(
  context: Context,
  what: RegisterOptions | string,
  request: Request = {},
): Promise<ExitCode> {
  const isNew = typeof what !== "string";
  // As sync does it.
  const options = isNew ? { stabilityThreshold: 0, state: await ledgerToRead(context) } : {};
  const needs = { bucket: false, pipelines: true, makesLedger: isNew, options };
  return await withService(context, needs, async (service) => tell(context, service, what, request));
}

/** A ledger that is not there yet is not to be made by who only looks. */
async function ledgerToRead({ config }: Context): Promise<StateStore> {
  try {
    return await makeStore(config, { mustExist: true });
  } catch (error) {
    if (!(error instanceof CommandError && error.code === "NO_LEDGER")) throw error;
    const { SqliteStateStore } = await import("@bucketline/store-sqlite");
    return new SqliteStateStore(":memory:");
  }
}

async function tell(
  { output, signal }: Context,
  service: UploadService,
  what: RegisterOptions | string,
  request: Request,
): Promise<ExitCode> {
  const plan = await service.plan(what, { ...request, signal });
  for await (const item of plan) {
    output.record(planItemView(item));
    if (item.action !== "unchanged" && !output.isQuiet) output.line(itemLine(item, output));
  }
  const totals = await plan.totals();
  output.record({ event: "summary", upload_id: plan.uploadId, ...planTotalsView(totals) });
  for (const line of totalLines(totals, output)) output.line(line);
  return totals.complete && !totals.doubt && !totals.deletesHeld && !totals.actions.unreadable.files
    ? EXIT.done
    : EXIT.failed;
}

const STYLES: Readonly<Record<PlanAction, Style>> = {
  upload: "green",
  replace: "green",
  compare: "cyan",
  unchanged: "dim",
  skip: "dim",
  delete: "red",
  remove: "dim",
  settle: "cyan",
  failed: "red",
  unreadable: "red",
};

function itemLine({ action, path, size, cause, reason, notBefore }: PlanItem, { stdout }: Output): string {
  const why = [
    reason ? `${reason.code}: ${reason.message}` : cause === "new" ? "" : cause.replace("inFlight", "in flight"),
    notBefore === null ? "" : `not before ${moment(notBefore)}`,
  ].filter(Boolean);
  const note = why.length > 0 ? stdout.style("dim", `  (${printable(why.join(", "))})`) : "";
  return `${stdout.style(STYLES[action], action.padEnd(10))} ${bytes(size).padStart(8)}  ${printable(path)}${note}`;
}

const MEANINGS: Readonly<Record<PlanAction, string>> = {
  upload: "to upload",
  replace: "to upload over older versions",
  compare: "to read, and to upload if they differ",
  unchanged: "unchanged",
  skip: "left out",
  delete: "whose objects would be deleted",
  remove: "gone from the folder; their objects stay",
  settle: "in flight or queued",
  failed: "failed, and left alone",
  unreadable: "or folders that cannot be read",
};

function totalLines({ actions, complete, doubt, deletesHeld }: PlanTotals, { stdout }: Output): string[] {
  const sums = Object.entries(actions)
    .filter(([, { files }]) => files > 0)
    .map(
      ([action, { files, bytes: size }]) =>
        `${count(files, "file")} ${MEANINGS[action as PlanAction]}${size > 0 ? `, ${bytes(size)}` : ""}`,
    );
  const warn = (text: string) => stdout.style("yellow", printable(text));
  return [
    stdout.style("bold", sums.length > 0 ? "In all:" : "The folder is empty."),
    ...sums.map((sum) => `  ${sum}`),
    ...(complete ? [] : [warn("Not everything could be read; what that is stays as it is.")]),
    ...[doubt, deletesHeld].flatMap((reason) => (reason ? [warn(`${reason.code}: ${reason.message}`)] : [])),
    stdout.style("dim", "Nothing was done."),
  ];
}
