import type { Command } from "commander";
import type { Config } from "./config/config.ts";
import type { Output } from "./output/output.ts";

/** What every command works with. */
export interface Context {
  readonly config: Config;
  readonly output: Output;
  /** Aborts with an `Interrupted` at the first Ctrl-C or SIGTERM, or when nobody reads the output any more: finish and end. */
  readonly signal: AbortSignal;
  /** Aborts at the second: stop at once. */
  readonly cut: AbortSignal;
  /** What the command line was parsed by. */
  readonly program: Command;
  /** The working directory. */
  readonly folder: string;
}
