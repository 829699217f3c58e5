/** How a step of a pipeline ended. */
export const STEP_OUTCOMES = ["passed", "rejected", "transformed", "failed", "unavailable", "cancelled"] as const;
/** How a step ended; see `STEP_OUTCOMES`. */
export type StepOutcome = (typeof STEP_OUTCOMES)[number];

/** One run of one step over one file. Times in milliseconds since 1970, sizes in bytes. Plain JSON. */
export interface StepTrace {
  /** The step's name. */
  readonly step: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /**
   * `passed`, `rejected`: a check has judged · `transformed`: all bytes went through · `failed` · `unavailable`: it could not
   * tell, and the file waits · `cancelled`: the attempt ended before the step did.
   */
  readonly outcome: StepOutcome;
  /** What a check has read, or a transform has been given. */
  readonly bytesIn: number;
  /** What a transform has made of it; 0 of a check. */
  readonly bytesOut: number;
  readonly message: string | null;
}

/** Entries that a record keeps: of more, the oldest go. Bounds what one poison file costs. */
export const TRACE_LIMIT = 32;
/** Characters of a message that are kept. */
const MESSAGE_LIMIT = 300;

/** The traces with newer ones behind them: the same array when there are none, so that most files never have one. */
export function stepsAfter(traces: readonly StepTrace[], newer: readonly StepTrace[]): readonly StepTrace[] {
  return newer.length === 0 ? traces : [...traces, ...newer].slice(-TRACE_LIMIT);
}

export function clippedMessage(message: string | undefined): string | null {
  if (message === undefined || message === "") return null;
  return message.length > MESSAGE_LIMIT ? `${message.slice(0, MESSAGE_LIMIT)}…` : message;
}
