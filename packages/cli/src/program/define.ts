import type { SettingName } from "../config/settings.ts";
import type { Context } from "../context.ts";
import type { ExitCode } from "../errors.ts";

/** What each module in commands/ exports. `args` has the operands and options of its definition, by their names. */
export interface CommandModule<Args> {
  /** @returns the exit code; nothing for 0 */
  run(context: Context, args: Args): Promise<ExitCode | undefined>;
}

export interface OptionDefinition {
  /** As commander reads them: `-p, --pattern <glob>`. */
  readonly flags: string;
  /** May be given several times; the command gets a list. */
  readonly isRepeated?: boolean;
  readonly summary: string;
  readonly choices?: readonly string[];
  /** Turns the text into what the command gets; throws ValueProblem. Default: the text. */
  readonly read?: (text: string) => unknown;
}

export interface OperandDefinition {
  readonly name: string;
  readonly summary: string;
  readonly isOptional?: boolean;
  readonly choices?: readonly string[];
}

export interface Example {
  readonly says: string;
  /** Without `bucketline` in front. */
  readonly line: string;
}

export interface CommandDefinition {
  readonly name: string;
  readonly group: "Upload" | "Look after uploads" | "Service" | "Set up";
  readonly summary: string;
  /** More than the summary, for `--help` of the command itself. */
  readonly description?: string;
  readonly operands?: readonly OperandDefinition[];
  readonly options?: readonly OptionDefinition[];
  /** Settings that have a flag on this command, beside those that all commands have. */
  readonly settings?: readonly SettingName[];
  readonly examples: readonly [Example, ...Example[]];
  /** Loads the command when it is called, and not before: `--help` need not wait for the AWS SDK. */
  readonly load: () => Promise<CommandModule<never>>;
}

/** Settings whose flags every command takes. */
export const COMMON_SETTINGS: readonly SettingName[] = ["databaseUrl", "dataFolder", "logLevel"];

/** Of commands that talk to the bucket. */
export const BUCKET_SETTINGS: readonly SettingName[] = [
  "region",
  "endpointUrl",
  "storeLocation",
  "pathStyle",
  "profile",
];

/** Of commands that send files. */
export const TRANSFER_SETTINGS: readonly SettingName[] = [
  "concurrency",
  "partConcurrency",
  "chunkSize",
  "memoryLimit",
  "bandwidthLimit",
  "activeHours",
  "retryAttempts",
  "stepTimeout",
  "spoolFolder",
  "spoolMaxBytes",
];
