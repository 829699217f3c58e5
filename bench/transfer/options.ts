import { parseArgs } from "node:util";
import { GROUPS } from "./rows.ts";

export interface Options {
  /** Names of groups of rows. */
  readonly groups: readonly string[];
  readonly huge: boolean;
  readonly rounds: number | undefined;
  /** Clients to measure; undefined: all that are installed. */
  readonly only: readonly string[] | undefined;
  readonly dataPath: string | undefined;
  /** Where files and ledgers are made; undefined: the system's folder for temporary files. */
  readonly folder: string | undefined;
  /** Where results are kept; undefined: nowhere. */
  readonly results: string | undefined;
  readonly profiles: string | undefined;
  /** Makes the page from the results that are kept, and measures nothing. */
  readonly page: boolean;
}

export class UsageError extends Error {}

const GROUP_NAMES = [...Object.keys(GROUPS), "idle"];

export const USAGE = `npm run bench -- [what …] [options]

what: ${GROUP_NAMES.join(", ")}; everything when left out. Half an hour on two quiet cores.

  --huge            rescan: 1,000,000 files, too
  --rounds 3        how often; the median of the rounds' ratios counts
  --only a,b        these clients only, Bucketline among them; nothing is kept then
  --data-path sdk   Bucketline sends through the plain SDK instead of its own data path; nothing is kept then
  --folder DIR      where files and ledgers are made: a folder on the disk you want to know about
  --results DIR     where results go (default: bench/results; docs/performance.md is made from those)
  --page            makes docs/performance.md from the results that are kept, and measures nothing
  --profiles DIR    also profiles one more run of Bucketline for each row, and says where the time goes
`;

/** @throws UsageError */
export function optionsOf(args: readonly string[], results: string): Options | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  const unknown = positionals.find((name) => !GROUP_NAMES.includes(name));
  if (unknown !== undefined) throw new UsageError(`${unknown} is not one of ${GROUP_NAMES.join(", ")}.`);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new UsageError(`--rounds takes a whole number from 1 on, not ${values.rounds}.`);
  }
  const partial = values.only !== undefined || values["data-path"] !== undefined;
  return {
    groups: positionals.length === 0 ? GROUP_NAMES : positionals,
    huge: values.huge,
    rounds,
    only: values.only?.split(","),
    dataPath: values["data-path"],
    folder: values.folder,
    results: values.results ?? (partial ? undefined : results),
    profiles: values.profiles,
    page: values.page,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        huge: { type: "boolean", default: false },
        rounds: { type: "string" },
        only: { type: "string" },
        "data-path": { type: "string" },
        folder: { type: "string" },
        results: { type: "string" },
        profiles: { type: "string" },
        page: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
