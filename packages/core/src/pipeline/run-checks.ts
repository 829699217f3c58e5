import { unlessAborted } from "../abortable.ts";
import { StepError } from "../errors.ts";
import type { FileTask, Source } from "../transfer.ts";
import { Reading } from "./reading.ts";
import { type CheckedFile, type CheckStep, HEAD_LIMIT } from "./step.ts";
import { outcomeOfError, StepRun, stepError, stepFile } from "./step-runs.ts";
import { StepWatch } from "./step-watch.ts";

/**
 * Asks one check after the other, on the open file that will be sent; the first one that refuses it is the last one asked.
 * @param timeout how long a check may go without asking for bytes or answering, in milliseconds
 * @throws StepError `FILE_REJECTED`, `STEP_UNAVAILABLE`, `STEP_FAILED`, `STEP_TIMEOUT` · SourceError · the drain's reason
 */
export async function runChecks(
  task: FileTask,
  source: Source,
  checks: readonly CheckStep[],
  timeout: number,
): Promise<void> {
  for (const check of checks) {
    task.stop.drain.throwIfAborted();
    const watch = new StepWatch({ clock: task.context.clock, timeout, drain: task.stop.drain });
    try {
      await runCheck(task, source, check, watch);
      watch.end();
    } finally {
      // Whatever a check still does that has not answered, nobody waits for it.
      watch.cancel();
    }
  }
}

async function runCheck(task: FileTask, source: Source, step: CheckStep, watch: StepWatch): Promise<void> {
  const signal = task.stop.drain;
  const run = new StepRun(task, step.name);
  const reading = new Reading(source, task.file.path, watch);
  watch.culprit = () => (reading.isAsked ? undefined : step.name);
  const counts = () => ({ bytesIn: reading.bytes, bytesOut: 0 });
  let answer: unknown;
  try {
    // Called inside: what a step throws at once is its failure, too.
    const check = async () => await step.check(checkedFile(task, source, reading, watch.signal));
    answer = await unlessAborted(check(), watch.signal);
    // One that has swallowed that the file cannot be read has not seen it.
    if (reading.failure) throw reading.failure;
  } catch (error) {
    const failure = reading.failure ?? stepError(step.name, error);
    const told = failure instanceof Error ? failure.message : String(failure);
    run.end(outcomeOfError(failure, signal), counts(), told);
    signal.throwIfAborted();
    throw failure;
  }
  const { accepted, message } = (answer ?? {}) as { readonly accepted?: unknown; readonly message?: unknown };
  const text = typeof message === "string" ? message : undefined;
  if (typeof accepted !== "boolean") {
    run.end("failed", counts(), "it did not say whether the file is accepted");
    throw new StepError("STEP_FAILED", `${step.name}: it did not say whether the file is accepted.`);
  }
  run.end(accepted ? "passed" : "rejected", counts(), text);
  if (!accepted) throw new StepError("FILE_REJECTED", `${step.name}: ${text ?? "refused the file"}`);
}

function checkedFile(task: FileTask, source: Source, reading: Reading, signal: AbortSignal): CheckedFile {
  return {
    ...stepFile(task, source.facts, signal),
    head: async (bytes) => {
      if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > HEAD_LIMIT)
        throw new RangeError(`a head has 0 to ${HEAD_LIMIT} bytes, not ${bytes}`);
      return await reading.head(bytes);
    },
    stream: () => reading.whole(),
  };
}
