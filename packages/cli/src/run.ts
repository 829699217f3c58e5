import { type Command, CommanderError } from "commander";
import { Stopping } from "./assembly/shutdown.ts";
import { CommandError, codeOf, EXIT, type ExitCode, exitCodeOf, Interrupted, UsageError } from "./errors.ts";
import { makeOutput, type Output } from "./output/output.ts";
import { terminalOf } from "./output/terminal.ts";
import { type Invocation, makeProgram } from "./program.ts";

/** Runs one command line in this process and says what went wrong. Never rejects. */
export async function runCommandLine(argv: readonly string[]): Promise<ExitCode> {
  const stopping = new Stopping();
  let output = guessedOutput(argv);
  try {
    refuseOldNode(process.versions.node);
    const { program, asked } = parse(argv, output);
    if (typeof asked === "number") return asked;
    output = makeOutputs(program.opts<OutputOptions>());
    return await call(asked, program, output, stopping);
  } catch (error) {
    return await report(error, output, stopping);
  } finally {
    stopping.end();
  }
}

/** As it looks before anything is parsed: wrong options have to be reported in the form that is wanted, too. */
function guessedOutput(argv: readonly string[]): Output {
  const end = argv.indexOf("--");
  const options = end < 0 ? argv : argv.slice(0, end);
  return makeOutputs({
    json: options.includes("--json"),
    quiet: options.includes("--quiet") || options.includes("-q"),
    color: !options.includes("--no-color"),
  });
}

interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly color: boolean;
}

function makeOutputs({ json = false, quiet = false, color }: OutputOptions): Output {
  const wish = { environment: process.env, isPlain: !color };
  const terminals = [terminalOf(process.stdout, wish), terminalOf(process.stderr, wish)] as const;
  return makeOutput(...terminals, { isJson: json, isQuiet: quiet });
}

interface Parsed {
  readonly program: Command;
  /** The exit code when nothing is left to do: help, or the version. */
  readonly asked: Invocation | ExitCode;
}

/** @throws UsageError */
function parse(argv: readonly string[], output: Output): Parsed {
  let asked: Invocation | ExitCode = EXIT.usage;
  const program = makeProgram((invocation) => {
    asked = invocation;
  });
  let complaint = "";
  const streams = {
    writeOut: (text: string) => output.stdout.write(text),
    writeErr: (text: string) => output.stderr.write(text),
    outputError: (text: string) => {
      complaint += text;
    },
    getOutHasColors: () => output.stdout.hasColors,
    getErrHasColors: () => output.stderr.hasColors,
  };
  for (const command of [program, ...program.commands]) command.configureOutput(streams);
  try {
    program.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { program, asked: EXIT.done };
    // Without a command it has printed the help already.
    if (complaint === "") return { program, asked: EXIT.usage };
    const message = complaint.trimEnd().replace(/^error: /, "");
    const remedy = "bucketline --help and bucketline help COMMAND show what there is.";
    throw new UsageError(message, { cause: error, remedy });
  }
  return { program, asked };
}

async function call(invocation: Invocation, program: Command, output: Output, stopping: Stopping): Promise<ExitCode> {
  const { definition, args, flags, configFile } = invocation;
  const { loadConfig } = await import("./config/load.ts");
  const folder = process.cwd();
  const config = await loadConfig({ folder, environment: process.env, flags, file: configFile });
  // The AWS SDK reads more of the environment than there are settings.
  for (const [name, value] of Object.entries(config.environment)) process.env[name] ??= value;
  const command = await definition.load();
  const context = { config, output, program, folder, signal: stopping.drain, cut: stopping.cut };
  // What a command takes is what its definition has; only these two files know of each other.
  return (await command.run(context, args as never)) ?? EXIT.done;
}

async function report(error: unknown, output: Output, stopping: Stopping): Promise<ExitCode> {
  const interruption = error instanceof Interrupted ? error : stopping.reason;
  if (interruption) {
    if (!interruption.quiet) output.note(interruption.message);
    return interruption.exitCode;
  }
  const code = codeOf(error);
  if (error instanceof CommandError) {
    output.error(error);
  } else if (error instanceof Error && code !== undefined) {
    output.error({ code, message: error.message, remedy: await remedyOf(code) });
  } else {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    output.error({ code: "UNEXPECTED", message, remedy: "This should not happen; please report it." });
  }
  return exitCodeOf(error);
}

/** Whoever threw one of these errors has loaded the library already. */
async function remedyOf(code: string): Promise<string | undefined> {
  const { ERRORS } = await import("@bucketline/core");
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as keyof typeof ERRORS] : undefined;
}

const OLDEST = [22, 18] as const;

/** The driver of SQLite crashes on versions before; what is newer than we know is welcome. @throws CommandError */
function refuseOldNode(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new CommandError(
    "USAGE",
    EXIT.usage,
    `Bucketline needs Node.js ${OLDEST.join(".")} or newer, and this is ${version}.`,
  );
}
