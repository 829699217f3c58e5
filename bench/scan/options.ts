import { parseArgs } from "node:util";

export interface Options {
  readonly files: number;
  readonly rounds: number;
  /** Files of the larger tree whose scan's memory is measured; undefined: memory is not. */
  readonly memory: number | undefined;
  /** Files known to the ledger with which an unchanged tree is compared; empty: none. */
  readonly rescan: readonly number[];
  readonly pattern: string | undefined;
  /** Where the trees are made; undefined: the system's folder for temporary files. */
  readonly folder: string | undefined;
}

export class UsageError extends Error {}

export const USAGE = `npm run bench:scan -- [options]

  --files 300000      files of the tree that is scanned beside find (default 300000; 0: leave this out)
  --rounds 5          how often; the median counts (default 5)
  --pattern '**/*.x'  what the scan looks for (default: every file)
  --memory 1000000    also measures memory, at 100000 files and at so many
  --rescan 100000,1000000
                      also compares unchanged trees of so many files with a SQLite ledger
  --folder DIR        where the trees are made: a folder on the disk you want to know about (default: temporary files)
`;

/** @throws UsageError */
export function optionsOf(args: readonly string[]): Options | "help" {
  const { values } = parse(args);
  if (values.help) return "help";
  return {
    files: whole("files", values.files),
    rounds: Math.max(1, whole("rounds", values.rounds)),
    memory: values.memory === undefined ? undefined : whole("memory", values.memory),
    rescan: values.rescan === undefined ? [] : values.rescan.split(",").map((text) => whole("rescan", text)),
    pattern: values.pattern,
    folder: values.folder,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        files: { type: "string", default: "300000" },
        rounds: { type: "string", default: "5" },
        memory: { type: "string" },
        rescan: { type: "string" },
        pattern: { type: "string" },
        folder: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`--${option} takes whole numbers, not ${text}.`);
  return Number(text);
}
