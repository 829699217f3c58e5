import type { Context } from "../context.ts";
import type { Observation } from "../transfer/observation.ts";
import { LinesView } from "./lines.ts";
import { LiveView } from "./live.ts";

/** Shows how uploads go, and lets other lines be printed meanwhile. */
export interface View {
  /** Prints a line for good; it must be printable. */
  note(line: string): void;
  /** What holds the work up, or how it ends: shown from now on. */
  say(state: string): void;
  /** Shows the last figures and leaves them. Notes may still follow. */
  end(): void;
}

/** What there is when nobody wants to see anything, or a program reads along. */
export const SILENT: View = { note() {}, say() {}, end() {} };

/** A block that redraws itself on a terminal, a line now and then anywhere else, nothing with `--json` or `--quiet`. */
export function openView({ config, output }: Context, observation: Observation): View {
  if (output.isJson || output.isQuiet) return SILENT;
  const { stdout, stderr } = output;
  const level = config.values.logLevel;
  // Log lines on the same terminal would be drawn over.
  const isShared = stderr.isTerminal && level !== undefined && level !== "silent";
  const isLive = stdout.isTerminal && config.environment.TERM !== "dumb" && !isShared;
  return isLive ? new LiveView(observation, stdout, config.environment) : new LinesView(observation, stdout);
}
