import { readFileSync } from "node:fs";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import type { ConfigSources } from "./config/load.ts";
import type { Setting } from "./config/setting.ts";
import { type SettingName, settingOf } from "./config/settings.ts";
import { showValue, ValueProblem } from "./config/values.ts";
import {
  COMMON_SETTINGS,
  type CommandDefinition,
  type OperandDefinition,
  type OptionDefinition,
} from "./program/define.ts";
import { SERVICE_COMMANDS } from "./program/service.ts";
import { TRANSFER_COMMANDS } from "./program/transfers.ts";
import { UPLOAD_COMMANDS } from "./program/uploads.ts";

export const COMMANDS: readonly CommandDefinition[] = [...TRANSFER_COMMANDS, ...UPLOAD_COMMANDS, ...SERVICE_COMMANDS];

/** What the command line asks for. */
export interface Invocation {
  readonly definition: CommandDefinition;
  /** Operands and options of the command, by their names. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly flags: ConfigSources["flags"];
  readonly configFile: string | undefined;
}

/** The program: it parses, and knows every name, option and help text. @param call is told what is asked for */
export function makeProgram(call: (invocation: Invocation) => void): Command {
  const program = new Command("bucketline")
    .description(
      "Keeps folders flowing into S3, durably: kill it at any instant, run it again, and it goes on where it was.",
    )
    .version(ownVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help; also: bucketline help COMMAND")
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20, styleTitle: (title) => `\x1b[1m${title}\x1b[22m` })
    .addHelpCommand(
      new Command("help").argument("[command]").helpGroup("Set up:").description("print help for a command"),
    )
    .exitOverride();
  const common = addSettings(program, COMMON_SETTINGS);
  program
    .option("--config <file>", "settings file (default: bucketline.yaml in this folder)")
    .option("--json", "write JSON, one object per line")
    .option("-q, --quiet", "write results and errors only")
    .option("--no-color", "write without colours; NO_COLOR in the environment does the same");
  for (const definition of COMMANDS) program.addCommand(commandOf(definition, program, common, call));
  return program.addHelpText("after", HELP_END);
}

const HELP_END = `
Settings come from flags, the environment, .env, and bucketline.yaml, in this order; \`bucketline config\` shows them.

Exit codes: 0 done · 1 some of it failed · 2 usage or configuration · 3 bucket or ledger out of reach · 130 interrupted`;

function commandOf(
  definition: CommandDefinition,
  program: Command,
  common: ReadonlyMap<string, SettingName>,
  call: (invocation: Invocation) => void,
): Command {
  const { name, summary, description = "", operands = [], options = [], examples, group } = definition;
  const command = program
    .createCommand(name)
    .copyInheritedSettings(program)
    .helpGroup(`${group}:`)
    .summary(summary)
    .description([`${summary[0]?.toUpperCase()}${summary.slice(1)}.`, description].filter(Boolean).join("\n\n"));
  for (const operand of operands) command.addArgument(argumentOf(operand));
  for (const option of options) command.addOption(optionOf(option));
  const own = addSettings(command, definition.settings ?? []);
  const lines = examples.map(({ says, line }) => `  # ${says}\n  bucketline ${line}`);
  command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
  return command.action(() => {
    const given = Object.fromEntries(
      operands.map(({ name }, index) => [name, command.processedArgs[index] as unknown]),
    );
    // What nobody has said is left to the command: commander calls options that begin with --no- true otherwise.
    const isSaid = (attribute: string) => !own.has(attribute) && command.getOptionValueSource(attribute) !== "default";
    const args = Object.fromEntries(Object.entries(command.opts()).filter(([attribute]) => isSaid(attribute)));
    const flags = { ...flagsOf(program, common), ...flagsOf(command, own) };
    const { config } = program.opts<{ config?: string }>();
    call({ definition, args: { ...args, ...given }, flags, configFile: config });
  });
}

function argumentOf({ name, summary, isOptional, choices }: OperandDefinition): Argument {
  const argument = new Argument(isOptional ? `[${name}]` : `<${name}>`, summary);
  return choices ? argument.choices(choices) : argument;
}

function optionOf({ flags, summary, choices, read = (text) => text, isRepeated }: OptionDefinition): Option {
  const option = new Option(flags, isRepeated ? `${summary}; may be repeated` : summary);
  if (choices) option.choices(choices);
  if (!flags.includes("<")) return option;
  return option.argParser((text: string, earlier: unknown) => {
    const value = reading(text, read);
    if (choices && !choices.includes(String(value)))
      throw new InvalidArgumentError(`It is one of ${choices.join(", ")}.`);
    return isRepeated ? [...(Array.isArray(earlier) ? earlier : []), value] : value;
  });
}

function reading(text: string, read: (text: string) => unknown): unknown {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw new InvalidArgumentError(`It must be ${error.message}.`);
  }
}

const PLACEHOLDERS = {
  text: "text",
  file: "path",
  ledger: "url",
  list: "name",
  folders: "folder",
  count: "count",
  duration: "duration",
  size: "size",
  choice: "name",
} as const;

/** @returns the settings by the attributes that commander keeps their values under */
function addSettings(command: Command, names: readonly SettingName[]): Map<string, SettingName> {
  const byAttribute = new Map<string, SettingName>();
  for (const name of names) {
    const setting = settingOf(name);
    const isList = setting.kind === "list" || setting.kind === "folders";
    const summary = setting.summary.replaceAll("`", "") + defaultNote(setting);
    const flags = setting.kind === "switch" ? `--${setting.flag}` : `--${setting.flag} <${PLACEHOLDERS[setting.kind]}>`;
    const option = optionOf({ flags, summary, isRepeated: isList });
    byAttribute.set(option.attributeName(), name);
    command.addOption(option);
    if (setting.kind === "switch") command.addOption(new Option(`--no-${setting.flag}`, `the opposite`).hideHelp());
    if (setting.kind === "choice") option.argChoices = [...setting.choices];
  }
  return byAttribute;
}

function defaultNote(setting: Setting): string {
  const shown = setting.fallback === undefined ? setting.otherwise : showValue(setting, setting.fallback);
  return shown === undefined ? "" : ` (default: ${shown.replaceAll("`", "")})`;
}

function flagsOf(command: Command, settings: ReadonlyMap<string, SettingName>): ConfigSources["flags"] {
  const given = [...settings].filter(([attribute]) => command.getOptionValueSource(attribute) === "cli");
  return Object.fromEntries(
    given.map(([attribute, name]) => [name, command.getOptionValue(attribute) as string | boolean | string[]]),
  );
}

function ownVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}
