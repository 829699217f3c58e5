import type { Finding, UploadService, VerificationReport } from "@bucketline/core";
import { findingView, snakeNamed } from "@bucketline/http/views";
import { onlyUploads } from "../assembly/only-uploads.ts";
import { withService } from "../assembly/service.ts";
import { makeStore } from "../assembly/stores.ts";
import type { Context } from "../context.ts";
import { EXIT, type ExitCode } from "../errors.ts";
import type { Output } from "../output/output.ts";
import { printable } from "../output/printable.ts";
import { bytes, count } from "../output/quantities.ts";
import { refuseUnfit } from "../transfer/fitness.ts";
import { exitCodeFor } from "../transfer/outcome.ts";
import { Pass } from "../transfer/pass.ts";
import { refuseUnreachable } from "../transfer/reach.ts";
import { reportLines, summaryView } from "../transfer/report.ts";

interface VerifyArguments {
  readonly id: string;
  readonly deep?: boolean;
  readonly repair?: boolean;
}

/** Compares the ledger with the bucket and, if it is to, sends again what is missing or different. */
export async function run(context: Context, { id, deep, repair }: VerifyArguments): Promise<ExitCode> {
  const { output, signal } = context;
  const state = onlyUploads(await makeStore(context.config, { mustExist: true }), [id]);
  const options = { state, stabilityThreshold: 0, watcher: "none" as const };
  return await withService(context, { bucket: true, makesLedger: false, options }, async (service) => {
    const upload = await service.get(id);
    if (repair) refuseUnfit(upload);
    await refuseUnreachable(service, signal);
    const onFinding = (finding: Finding) => {
      output.record(findingView(finding));
      output.line(findingLine(finding, output));
    };
    const report = await service.verify(id, { deep, repair, onFinding, signal });
    if (!output.isQuiet) for (const line of reportOf(report)) output.line(line);
    output.record({ event: "summary", ...(snakeNamed(report) as object) });
    if (report.requeued > 0) return await sendAgain(context, service, id);
    return report.missing + report.different === 0 ? EXIT.done : EXIT.failed;
  });
}

const LABELS = { missing: "missing", different: "different", extra: "extra" } as const;

function findingLine({ kind, path, key, expected, found }: Finding, { stdout }: Output): string {
  const label = stdout.style(kind === "extra" ? "yellow" : "red", LABELS[kind].padEnd(9));
  const sizes = [
    ...(expected ? [`sent ${bytes(expected.size)}`] : []),
    ...(found ? [`found ${bytes(found.size)}`] : []),
  ];
  const of = path === null ? "" : `, of ${printable(path)}`;
  return `${label}  ${printable(key)}${stdout.style("dim", `  (${sizes.join(", ")}${of})`)}`;
}

function reportOf({ checkedFiles, missing, different, extra, requeued }: VerificationReport): string[] {
  const number = (value: number) => value.toLocaleString("en-US");
  const isWhole = missing + different === 0;
  return [
    `${count(checkedFiles, "object")} looked for: ${isWhole ? "every one is there as it was sent" : `${number(missing)} missing, ${number(different)} different`}.`,
    ...(extra
      ? [`${count(extra, "object")} below the destination that no file accounts for; nothing is deleted.`]
      : []),
    ...(requeued > 0 ? [`${count(requeued, "file")} queued to be sent again.`] : []),
    ...(isWhole || requeued > 0 ? [] : ["To send them again: the same command with --repair."]),
  ];
}

async function sendAgain(context: Context, service: UploadService, id: string): Promise<ExitCode> {
  const { output, signal } = context;
  const pass = new Pass({ service, context });
  pass.begin();
  try {
    await service.start({ signal });
    const outcome = await pass.outcomeOf(await pass.bringUp(id, {}));
    pass.end();
    output.record(summaryView(outcome));
    if (!output.isQuiet) for (const line of reportLines(outcome, output.stdout)) output.line(line);
    return exitCodeFor(outcome);
  } finally {
    pass.end();
  }
}
