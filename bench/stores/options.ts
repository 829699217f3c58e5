import { parseArgs } from "node:util";
import { SUBJECTS, type SubjectName } from "./subjects.ts";

export interface Options {
  readonly subjects: readonly SubjectName[];
  /** Ascending. */
  readonly sizes: readonly number[];
  /** How often each size is measured; undefined: by its size. */
  readonly rounds: number | undefined;
  /** Where files are written; undefined: the system's folder for temporary files. */
  readonly folder: string | undefined;
  /** Where CPU profiles of the measured processes go. */
  readonly profiles: string | undefined;
}

export class UsageError extends Error {}

export const USAGE = `npm run bench:stores -- [options]

  --rows 10000,100000,1000000  sizes of the ledger (default 10000,100000)
  --stores ${SUBJECTS.join(",")}
                               what to measure (default all); a comma between
  --rounds 3                   how often; the median counts (default 3 from 10000 to 50000 rows, otherwise 1)
  --folder DIR                 where the files go: put them on the disk you want to know about (default: temporary files)
  --profiles DIR               writes a CPU profile of each process there

DATABASE_URL=postgres://… measures that server instead of one of its own.
`;

/** @throws UsageError */
export function optionsOf(args: readonly string[]): Options | "help" {
  const { values } = parse(args);
  if (values.help) return "help";
  const sizes = [...new Set(values.rows.split(",").map((text) => whole("rows", text)))];
  return {
    subjects: values.stores.split(",").map(subject),
    sizes: sizes.sort((a, b) => a - b),
    rounds: values.rounds === undefined ? undefined : whole("rounds", values.rounds),
    folder: values.folder,
    profiles: values.profiles,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rows: { type: "string", default: "10000,100000" },
        stores: { type: "string", default: SUBJECTS.join(",") },
        rounds: { type: "string" },
        folder: { type: "string" },
        profiles: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(name: string, text: string): number {
  if (/^[1-9]\d{0,7}$/.test(text.trim())) return Number(text);
  throw new UsageError(`--${name} takes whole numbers from 1 to 99999999, not ${JSON.stringify(text)}.`);
}

function subject(text: string): SubjectName {
  const found = SUBJECTS.find((name) => name === text.trim());
  if (found) return found;
  throw new UsageError(`--stores takes ${SUBJECTS.join(", ")}; not ${JSON.stringify(text)}.`);
}
