import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

export interface Options {
  /** How long requests are made. */
  readonly seconds: number;
  /** Requests per second. */
  readonly rate: number;
  /** Files of the folder that is uploaded again and again. */
  readonly files: number;
  /** Streams that are opened. 0: what events cost is not measured. */
  readonly streams: number;
  /** Where the ledger and the files are. */
  readonly folder: string;
  /** Where CPU profiles of the measured processes go. */
  readonly profiles: string | undefined;
}

export class UsageError extends Error {}

export const USAGE = `npm run bench:http -- [options]

  --seconds 60    how long requests are made; the upload alone is measured as long. 0 leaves it out
  --rate 200      requests per second
  --files 10000   files of the folder that is uploaded, again and again
  --streams 1000  event streams that are opened; 0 leaves what events cost out
  --folder DIR    where ledger and files go: put them on the disk you want to know about (default: temporary files)
  --profiles DIR  writes a CPU profile of the service there
`;

/** @throws UsageError */
export function optionsOf(args: readonly string[]): Options | "help" {
  const { values } = parse(args);
  if (values.help) return "help";
  const number = (name: "seconds" | "rate" | "files" | "streams") => whole(name, values[name]);
  return {
    seconds: number("seconds"),
    rate: Math.max(1, number("rate")),
    files: Math.max(1, number("files")),
    streams: number("streams"),
    folder: resolve(values.folder),
    profiles: values.profiles,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seconds: { type: "string", default: "60" },
        rate: { type: "string", default: "200" },
        files: { type: "string", default: "10000" },
        streams: { type: "string", default: "1000" },
        folder: { type: "string", default: tmpdir() },
        profiles: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(name: string, text: string): number {
  if (/^\d{1,6}$/.test(text.trim())) return Number(text);
  throw new UsageError(`--${name} takes whole numbers from 0 to 999999, not ${JSON.stringify(text)}.`);
}
