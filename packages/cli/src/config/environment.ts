import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { CommandError, EXIT } from "../errors.ts";
import type { Environment } from "./config.ts";

export interface Variables {
  readonly all: Environment;
  /** Names that only `.env` has. */
  readonly fromFile: ReadonlySet<string>;
}

/**
 * The environment, and below it what the `.env` of the folder says, read as Node.js does. An empty variable counts as one
 * that is not set, in either.
 * @throws CommandError when there is a `.env` that cannot be read
 */
export async function readEnvironment(folder: string, environment: Environment): Promise<Variables> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value));
  const inFile = parseEnv(await readDotEnv(join(folder, ".env")));
  const added = Object.entries(inFile).filter(([name, value]) => value && !Object.hasOwn(given, name));
  return { all: { ...Object.fromEntries(added), ...given }, fromFile: new Set(added.map(([name]) => name)) };
}

async function readDotEnv(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Some programs keep a whole environment in a folder of that name.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return "";
    throw new CommandError("CONFIG", EXIT.usage, `.env cannot be read: ${message}`, { cause: error });
  }
}
