import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { CommandError, EXIT } from "../errors.ts";
import { printable } from "../output/printable.ts";
import type { PipelineSettings } from "./pipelines.ts";
import type { SettingName } from "./settings.ts";
import type { Value } from "./values.ts";

export interface FileValue {
  readonly value: Value;
  readonly line: number;
}

export interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  readonly values: ReadonlyMap<SettingName, FileValue>;
  readonly pipelines: PipelineSettings;
}

const NAMES = ["bucketline.yaml", "bucketline.yml"];

/**
 * Reads the file that is named, or bucketline.yaml of the folder. Folders above are not searched: they may be other
 * people's, who could send one's files elsewhere.
 * @throws ConfigError with the line and column of everything that is wrong · CommandError when it cannot be read
 */
export async function readConfigFile(folder: string, named: string | undefined): Promise<ConfigFile | undefined> {
  for (const name of named === undefined ? NAMES : [named]) {
    const path = resolve(folder, name);
    const text = await readText(path, named === undefined);
    if (text === undefined) continue;
    // Parser and schema take longer to load than most commands take; most folders have no such file.
    const { parseConfigFile } = await import("./parse.ts");
    return parseConfigFile(path, text);
  }
  return undefined;
}

async function readText(path: string, isOptional: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isOptional && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const message = `The configuration file cannot be read: ${printable((error as Error).message)}`;
    throw new CommandError("CONFIG", EXIT.usage, message, { cause: error });
  }
}
