import type { Command, Option } from "commander";

/** How a word is completed: one of the words, names of folders or files, ids of uploads, or not at all. */
export type Completes = { readonly words: readonly string[] } | "folders" | "files" | "uploads" | "nothing";

export interface CompletedOption {
  /** `-p` and `--pattern`, as they are written. */
  readonly short: string | undefined;
  readonly long: string;
  readonly summary: string;
  /** Undefined: it takes no value. */
  readonly value: Completes | undefined;
}

export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  readonly operands: readonly { readonly name: string; readonly completes: Completes }[];
}

export interface CompletedProgram {
  readonly name: string;
  /** Options that every command takes. */
  readonly options: readonly CompletedOption[];
  readonly commands: readonly CompletedCommand[];
}

const HINTS: Readonly<Record<string, Completes>> = {
  folder: "folders",
  root: "folders",
  dataFolder: "folders",
  spoolFolder: "folders",
  config: "files",
  tokensFile: "files",
  keyFile: "files",
  from: "files",
  to: "files",
  webhooksFile: "files",
  id: "uploads",
  upload: "uploads",
};

/** What the shells have to know of the program, as commander has it. */
export function modelOf(program: Command): CompletedProgram {
  const help = program.createHelp();
  const options = help.visibleOptions(program).map(optionOf);
  const common = new Set(options.map(({ long }) => long));
  const names = program.commands.map((command) => command.name());
  const commands = help.visibleCommands(program).map((command): CompletedCommand => {
    const operands = command.registeredArguments.map((argument) => {
      const words = command.name() === "help" ? names : argument.argChoices;
      return { name: argument.name(), completes: words ? { words } : (HINTS[argument.name()] ?? "nothing") };
    });
    const options = help
      .visibleOptions(command)
      .map(optionOf)
      .filter(({ long }) => !common.has(long));
    return { name: command.name(), summary: help.subcommandDescription(command), options, operands };
  });
  return { name: program.name(), options, commands };
}

function optionOf(option: Option): CompletedOption {
  const { short, long = "", description, argChoices, required } = option;
  const names = HINTS[option.attributeName()] ?? "nothing";
  // The id that an upload is to get is none that there is.
  const value = argChoices ? { words: argChoices } : names === "uploads" ? "nothing" : names;
  return { short, long, summary: description, value: required ? value : undefined };
}

/** The option as it may be written. */
export function spellings({ short, long }: CompletedOption): string[] {
  return short === undefined ? [long] : [short, long];
}

/**
 * Prints the ids of the ledger's uploads; of letters, digits, dots, dashes and underscores, so that no shell can take them
 * for anything else.
 */
export function listIds(program: string): string {
  return `${program} ls --json 2>/dev/null | sed -n 's/^{"upload_id":"\\([A-Za-z0-9._-]*\\)".*/\\1/p'`;
}
