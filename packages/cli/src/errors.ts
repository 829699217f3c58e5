/** What the process ends with. Part of the interface: docs/cli.md lists them. */
export const EXIT = {
  /** Everything that was asked for is done; of a sync: every file is in the bucket. */
  done: 0,
  /** It was done, but some of it failed: files of a sync, findings of a verification or of the doctor. */
  failed: 1,
  /** Nothing was done: the command line, the configuration or the state of the upload does not allow it. */
  usage: 2,
  /** The bucket or the ledger cannot be reached or used. */
  unreachable: 3,
  /** Ended by Ctrl-C. Everything can be resumed. */
  interrupted: 130,
  /** Whoever read the output has gone before the work was done, as shells say it. */
  brokenPipe: 141,
} as const;

/** What the process ends with: documented in docs/cli.md. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT] | 143 | 129;

/** An error of the command line itself. The message is for the user and says what to do. */
export class CommandError extends Error {
  /** Stable, for machines. */
  readonly code: string;
  readonly exitCode: ExitCode;
  /** What to do about it, where the message does not say. */
  readonly remedy: string | undefined;

  constructor(
    code: string,
    exitCode: ExitCode,
    message: string,
    options?: ErrorOptions & { readonly remedy?: string },
  ) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.exitCode = exitCode;
    this.remedy = options?.remedy;
  }
}

/** The command line cannot be used as it was given. */
export class UsageError extends CommandError {
  constructor(message: string, options?: ErrorOptions & { readonly remedy?: string }) {
    super("USAGE", EXIT.usage, message, options);
  }
}

/** The configuration cannot be used. `problems` has everything that is wrong with it. */
export class ConfigError extends CommandError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("CONFIG", EXIT.usage, problems.join("\n"));
    this.problems = problems;
  }
}

/** Somebody asked the program to end, or nobody reads what it writes any more. The reason of `Context.signal`. */
export class Interrupted extends CommandError {
  /** Nobody need be told. */
  readonly quiet: boolean;

  constructor(message: string, exitCode: ExitCode, quiet = false) {
    super("INTERRUPTED", exitCode, message);
    this.quiet = quiet;
  }
}

/** Codes of the library that say: what was asked for cannot be, and nothing was done. */
const REFUSED =
  /^(INVALID_|PIPELINE_|DECRYPT_KEY_|PATTERN_|KEY_|SOURCE_|UPLOAD_(?!FAILED)|FILE_NOT_FOUND|AUTH_REQUIRED|ROOTS_REQUIRED)/;
const OUT_OF_REACH = /^(STATE_|STORE_|BUCKET_NOT_FOUND|ACCESS_DENIED|CREDENTIALS_|WRONG_REGION)/;

/** The exit code that an error stands for: by its stable code, so that nothing heavy is loaded to tell. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode;
  const code = codeOf(error);
  if (code !== undefined && REFUSED.test(code)) return EXIT.usage;
  return code !== undefined && OUT_OF_REACH.test(code) ? EXIT.unreachable : EXIT.failed;
}

/** The stable code of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
