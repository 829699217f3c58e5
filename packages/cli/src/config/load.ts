import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { printable } from "../output/printable.ts";
import type { Config, Environment, Origin } from "./config.ts";
import { readEnvironment, type Variables } from "./environment.ts";
import { type ConfigFile, readConfigFile } from "./file.ts";
import type { Setting } from "./setting.ts";
import { SETTING_NAMES, type SettingName, settingOf } from "./settings.ts";
import { ledgerOf, readWords, type Value, ValueProblem } from "./values.ts";

export interface ConfigSources {
  /** The working directory. */
  readonly folder: string;
  readonly environment: Environment;
  /** What flags said, by the name of the setting; a list for flags that may be repeated. */
  readonly flags: Readonly<Partial<Record<SettingName, string | boolean | readonly string[]>>>;
  /** `--config`; otherwise `BUCKETLINE_CONFIG`, otherwise bucketline.yaml in the folder, if there is one. */
  readonly file?: string | undefined;
}

interface Found {
  readonly value: Value;
  readonly origin: Origin;
}

/**
 * What is in force and where it comes from: flags before the environment before `.env` before bucketline.yaml before
 * defaults.
 * @throws ConfigError with everything that is wrong
 */
export async function loadConfig({ folder, environment, flags, file }: ConfigSources): Promise<Config> {
  const variables = await readEnvironment(folder, environment);
  const configFile = await readConfigFile(folder, file ?? variables.all.BUCKETLINE_CONFIG);
  const values: Partial<Record<SettingName, Value>> = {};
  const origins: Partial<Record<SettingName, Origin>> = {};
  const problems: string[] = [];
  for (const name of SETTING_NAMES) {
    const found = noting(problems, () => find(name, { folder, flags, variables, configFile }));
    if (found) values[name] = found.value;
    origins[name] = found?.origin ?? { from: "default" };
  }
  if (problems.length > 0) throw new ConfigError(problems);
  values.dataFolder ??= ownFolder(variables.all);
  values.databaseUrl ??= `sqlite:${join(String(values.dataFolder), "uploads.db")}`;
  values.spoolFolder ??= join(String(values.dataFolder), "spool");
  return {
    values: values as Config["values"],
    origins: origins as Config["origins"],
    pipelines: configFile?.pipelines ?? {},
    file: configFile?.path,
    environment: variables.all,
  };
}

/**
 * The same wherever a command is called, so that it finds its ledger again (XDG Base Directory Specification 0.8, which
 * ignores relative paths).
 */
function ownFolder({ XDG_STATE_HOME: states = "", HOME, LOCALAPPDATA }: Environment): string {
  if (isAbsolute(states)) return join(states, "bucketline");
  if (process.platform === "win32" && LOCALAPPDATA) return join(LOCALAPPDATA, "bucketline");
  return join(HOME || homedir(), ".local", "state", "bucketline");
}

interface Places {
  readonly folder: string;
  readonly flags: ConfigSources["flags"];
  readonly variables: Variables;
  readonly configFile: ConfigFile | undefined;
}

function find(name: SettingName, { folder, flags, variables, configFile }: Places): Found | undefined {
  const setting = settingOf(name);
  const flag = flags[name];
  if (flag !== undefined) {
    const origin: Origin = { from: "flag", flag: `--${setting.flag}` };
    return { value: anchored(setting, given(setting, flag, origin), folder), origin };
  }
  const variable = setting.env.find((candidate) => variables.all[candidate]);
  if (variable !== undefined) {
    const origin: Origin = { from: variables.fromFile.has(variable) ? ".env" : "environment", variable };
    return { value: anchored(setting, given(setting, variables.all[variable] ?? "", origin), folder), origin };
  }
  const inFile = configFile?.values.get(name);
  if (configFile && inFile) {
    const origin: Origin = { from: "file", file: configFile.path, line: inFile.line };
    return { value: anchored(setting, inFile.value, dirname(configFile.path)), origin };
  }
  if (setting.fallback === undefined) return undefined;
  return { value: anchored(setting, setting.fallback, folder), origin: { from: "default" } };
}

/** @throws ConfigError */
function given(setting: Setting, value: string | boolean | readonly string[], origin: Origin): Value {
  if (typeof value !== "string") return value;
  try {
    return readWords(setting, value);
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    const what =
      origin.from === "flag"
        ? `Option ${origin.flag}`
        : `Environment variable ${"variable" in origin ? origin.variable : ""}`;
    const where = origin.from === ".env" ? " (of .env)" : "";
    const shown = setting.secret ? "" : `, not ${printable(JSON.stringify(value.slice(0, 100)))}`;
    throw new ConfigError([`${what}${where} must be ${error.message}${shown}.`]);
  }
}

/** Paths are taken from the folder of what names them. */
function anchored(setting: Setting, value: Value, folder: string): Value {
  if (setting.kind === "file") return resolve(folder, String(value));
  if (setting.kind === "folders" && Array.isArray(value)) return value.map((path: string) => resolve(folder, path));
  if (setting.kind !== "ledger") return value;
  const place = ledgerOf(String(value));
  return place && place.kind !== "postgres" && place.path !== ":memory:"
    ? `${place.kind}:${resolve(folder, place.path)}`
    : value;
}

function noting<T>(problems: string[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}
