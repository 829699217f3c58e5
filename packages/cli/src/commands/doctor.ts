import { connectionOf } from "../assembly/objects.ts";
import { parseDestination } from "../assembly/registration.ts";
import type { Context } from "../context.ts";
import { credentialsCheck } from "../doctor/credentials.ts";
import { type Check, type Finding, type Level, problem, reasonOf } from "../doctor/finding.ts";
import { folderCheck } from "../doctor/folders.ts";
import { ledgerCheck } from "../doctor/ledger.ts";
import { type LedgerFacts, readLedger } from "../doctor/ledger-facts.ts";
import { limitCheck } from "../doctor/limits.ts";
import { nodeCheck } from "../doctor/node.ts";
import { pipelineCheck } from "../doctor/pipelines.ts";
import type { LedgerExamination } from "../doctor/scratch-ledger.ts";
import { serviceCheck } from "../doctor/service.ts";
import { settingsCheck } from "../doctor/settings.ts";
import { storeCheck } from "../doctor/store.ts";
import { watchCheck } from "../doctor/watches.ts";
import { CommandError, EXIT, type ExitCode } from "../errors.ts";
import type { Output } from "../output/output.ts";
import { printable } from "../output/printable.ts";
import { count } from "../output/quantities.ts";
import type { Style } from "../output/terminal.ts";

interface DoctorArguments {
  readonly destination?: string;
  readonly quick?: boolean;
}

const CHECKS: readonly Check<LedgerExamination>[] = [
  nodeCheck,
  settingsCheck,
  ledgerCheck,
  storeCheck,
  limitCheck,
  folderCheck,
  watchCheck,
  pipelineCheck,
  serviceCheck,
  credentialsCheck,
];

/** Looks at all that uploads depend on, says what to do, and keeps what the object store can do as its profile. */
export async function run(context: Context, { destination, quick = false }: DoctorArguments): Promise<ExitCode> {
  const { config, output, signal, cut } = context;
  const examination: LedgerExamination = {
    ...{ config, signal, cut, isQuick: quick },
    destination: destination === undefined ? undefined : parseDestination(destination),
    ledger: once(() => readLedger(config)),
  };
  const findings: Finding[] = [];
  const tell = (finding: Finding) => {
    findings.push(finding);
    show(output, finding);
  };
  for (const check of CHECKS) {
    signal.throwIfAborted();
    for (const found of await outcomeOf(check, examination)) tell({ check: check.name, ...found });
  }
  if (examination.destination) await examine(context, examination, tell);
  return conclude(output, findings);
}

/** What a check throws is no reason to leave the others out. */
async function outcomeOf(check: Check<LedgerExamination>, examination: LedgerExamination) {
  try {
    return await check.run(examination);
  } catch (error) {
    examination.signal.throwIfAborted();
    if (error instanceof CommandError) return [problem(error.message, error.remedy ?? "`bucketline config` shows it.")];
    const remedy = "This should not happen; please report it, with what was printed.";
    return [problem(`This could not be checked: ${printable(reasonOf(error))}`, remedy)];
  }
}

async function examine({ output }: Context, examination: LedgerExamination, tell: (finding: Finding) => void) {
  const { config, destination } = examination;
  if (!destination) return;
  const { createS3Client } = await import("@bucketline/core/s3");
  const { BucketSession } = await import("../doctor/bucket/session.ts");
  const { examineBucket } = await import("../doctor/bucket/checks.ts");
  const client = createS3Client(connectionOf(config));
  try {
    const session = new BucketSession(client, examination, destination);
    const { isWhole } = await examineBucket(session, tell, output.note);
    if (!isWhole) return;
    const { keepProfile, profileOf } = await import("../doctor/profile.ts");
    const profile = profileOf(session.capabilities, destination.bucket, new Date());
    for (const found of await keepProfile(config, profile)) tell({ check: "profile", ...found });
  } finally {
    client.destroy();
  }
}

function once(work: () => Promise<LedgerFacts>): () => Promise<LedgerFacts> {
  let result: Promise<LedgerFacts> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}

const MARKS: Readonly<Record<Level, { readonly text: string; readonly style: Style }>> = {
  ok: { text: "ok", style: "green" },
  warning: { text: "warning", style: "yellow" },
  problem: { text: "problem", style: "red" },
  skipped: { text: "skipped", style: "dim" },
};
const MARK_WIDTH = 9;
const NAME_WIDTH = 21;

function show(output: Output, { check, level, message, remedy, facts = {} }: Finding): void {
  output.record({ check, level, message, remedy: remedy ?? null, facts });
  const isGood = level === "ok" || level === "skipped";
  if (output.isQuiet && isGood) return;
  const { text, style } = MARKS[level];
  const mark = output.stdout.style(style, text) + " ".repeat(MARK_WIDTH - text.length);
  output.line(`${mark}${check.padEnd(NAME_WIDTH)}${message}`);
  if (remedy !== undefined) output.line(`${" ".repeat(MARK_WIDTH + NAME_WIDTH)}${remedy}`);
}

function conclude(output: Output, findings: readonly Finding[]): ExitCode {
  const numberOf = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const [problems, warnings] = [numberOf("problem"), numberOf("warning")];
  output.record({ summary: { ok: numberOf("ok"), warnings, problems, skipped: numberOf("skipped") } });
  if (!output.isQuiet) output.line();
  const verdict =
    problems + warnings === 0
      ? "Nothing to complain of."
      : `${count(problems, "problem")}, ${count(warnings, "warning")}.`;
  if (!output.isQuiet || problems + warnings > 0) output.line(verdict);
  if (findings.some(({ isOutOfReach }) => isOutOfReach)) return EXIT.unreachable;
  return problems > 0 ? EXIT.failed : EXIT.done;
}
