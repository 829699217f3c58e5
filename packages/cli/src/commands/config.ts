import type { Config, Origin } from "../config/config.ts";
import { pipelineText, pipelineView } from "../config/pipelines.ts";
import { SETTING_NAMES, settingOf } from "../config/settings.ts";
import { settingsTable } from "../config/table.ts";
import { maskValue, showValue } from "../config/values.ts";
import type { Context } from "../context.ts";
import { printTable } from "../output/table.ts";

interface ConfigArguments {
  readonly schema?: boolean;
  readonly table?: boolean;
}

/** Shows every setting, its value without secrets, and where it comes from. */
export async function run({ config, output }: Context, { schema, table }: ConfigArguments): Promise<undefined> {
  if (schema) {
    const { fileSchema } = await import("../config/schema.ts");
    output.stdout.write(`${JSON.stringify(fileSchema(), null, 2)}\n`);
  } else if (table) output.stdout.write(settingsTable());
  else show(config, output);
}

function show(config: Config, output: Context["output"]): void {
  const settings = SETTING_NAMES.map((name) => {
    const setting = settingOf(name);
    const value = config.values[name];
    const isSet = value !== undefined;
    const origin = config.origins[name];
    return { setting, value: isSet ? maskValue(setting, value) : null, origin };
  });
  for (const { setting, value, origin } of settings) {
    output.record({ setting: setting.path, value, ...originView(origin) });
  }
  const pipelines = pipelinesOf(config);
  for (const { path, setting, origin } of pipelines)
    output.record({ setting: path, value: pipelineView(setting), ...originView(origin) });
  if (output.isJson) return;
  const rows = settings.map(({ setting, value, origin }) => [
    setting.path,
    value === null
      ? { text: `(${(setting.otherwise ?? "").replaceAll("`", "")})`, style: "dim" as const }
      : showValue(setting, value),
    originText(origin),
  ]);
  const more = pipelines.map(({ path, setting, origin }) => [path, pipelineText(setting), originText(origin)]);
  printTable(
    output,
    [{ title: "SETTING" }, { title: "VALUE", isFlexible: true }, { title: "FROM", isFlexible: true }],
    [...rows, ...more],
  );
}

function pipelinesOf({ pipelines, file = "" }: Config) {
  return Object.entries(pipelines).map(([name, setting]) => {
    const origin: Origin = { from: "file", file, line: setting.line };
    return { path: `pipelines.${name}`, setting, origin };
  });
}

function originView(origin: Origin) {
  switch (origin.from) {
    case "flag":
      return { from: "flag", name: origin.flag };
    case "file":
      return { from: "file", name: origin.file, line: origin.line };
    case "default":
      return { from: "default" };
    default:
      return { from: origin.from, name: origin.variable };
  }
}

function originText(origin: Origin): string {
  switch (origin.from) {
    case "flag":
      return origin.flag;
    case "file":
      return `${origin.file}:${origin.line}`;
    case "default":
      return "default";
    default:
      return origin.from === ".env" ? `.env: ${origin.variable}` : origin.variable;
  }
}
