import { BucketlineError, StepError } from "../errors.ts";
import { fileEvent } from "../events.ts";
import type { FileTask } from "../transfer.ts";
import type { StepFile } from "./step.ts";
import { clippedMessage, type StepOutcome } from "./trace.ts";

/** One run of a step, from its start to the trace that it leaves. */
export class StepRun {
  readonly #task: FileTask;
  readonly #name: string;
  readonly #startedAt: number;
  #ended = false;

  constructor(task: FileTask, name: string) {
    this.#task = task;
    this.#name = name;
    this.#startedAt = task.context.clock.now();
    task.context.emit("step:started", () => ({ ...fileEvent(task.file), step: name }));
  }

  /** Leaves the trace, once: whatever is said later is about what has ended. */
  end(outcome: StepOutcome, counts: { readonly bytesIn: number; readonly bytesOut: number }, message?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    const { context, file } = this.#task;
    const { bytesIn, bytesOut } = counts;
    const times = { startedAt: this.#startedAt, endedAt: context.clock.now() };
    const trace = { step: this.#name, ...times, outcome, bytesIn, bytesOut, message: clippedMessage(message) };
    this.#task.trace(trace);
    context.emit("step:finished", () => ({ ...fileEvent(file), ...trace }));
  }
}

export function stepFile(
  task: FileTask,
  facts: { readonly size: number; readonly mtimeNs: bigint },
  signal: AbortSignal,
): StepFile {
  const { uploadId, path } = task.file;
  return { uploadId, path, size: facts.size, mtimeNs: facts.mtimeNs, signal };
}

/** Codes that say more than that a step has failed. */
const TELLING: ReadonlySet<string | undefined> = new Set(["STEP_UNAVAILABLE", "FILE_REJECTED", "STEP_TIMEOUT"]);

/** What a step's failure means: it cannot work at the moment, refuses the file, or has failed. Names the step. */
export function stepError(step: string, error: unknown): StepError {
  const message = `${step}: ${error instanceof Error ? error.message : String(error)}`;
  const code = error instanceof StepError && TELLING.has(error.code) ? error.code : "STEP_FAILED";
  return new StepError(code, message, { cause: error });
}

export function outcomeOfError(error: unknown, signal: AbortSignal): StepOutcome {
  if (signal.aborted) return "cancelled";
  if (!(error instanceof BucketlineError)) return "failed";
  if (error.code === "STEP_UNAVAILABLE") return "unavailable";
  return error.code === "FILE_REJECTED" ? "rejected" : "failed";
}
