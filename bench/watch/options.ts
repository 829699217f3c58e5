import { parseArgs } from "node:util";

export interface Options {
  /** Written for each latency. 0: no latencies. */
  readonly files: number;
  /** Between two files, on average. Milliseconds, as all of these. */
  readonly gap: number;
  /** Between two scans when every event is dropped. */
  readonly interval: number;
  readonly threshold: number;
  /** Of the tree whose watching is measured. 0: none. */
  readonly folders: number;
  /** How long idle CPU is measured. */
  readonly idle: number;
}

export class UsageError extends Error {}

export const USAGE = `npm run bench:watch -- [options]

  --files 200      files per latency; 0 leaves latencies out
  --gap 150        milliseconds between two files, on average
  --interval 5000  milliseconds between two scans when every event is dropped
  --threshold 100  milliseconds a file must be quiet
  --folders 100000 folders of the tree whose watching is measured; 0 leaves it out
  --idle 30000     milliseconds over which idle CPU is measured
`;

/** @throws UsageError */
export function optionsOf(args: readonly string[]): Options | "help" {
  const { values } = parse(args);
  if (values.help) return "help";
  const number = (name: Exclude<keyof typeof values, "help">) => whole(name, values[name]);
  return {
    files: number("files"),
    gap: number("gap"),
    interval: number("interval"),
    threshold: number("threshold"),
    folders: number("folders"),
    idle: number("idle"),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        files: { type: "string", default: "200" },
        gap: { type: "string", default: "150" },
        interval: { type: "string", default: "5000" },
        threshold: { type: "string", default: "100" },
        folders: { type: "string", default: "100000" },
        idle: { type: "string", default: "30000" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(name: string, text: string): number {
  if (/^\d{1,7}$/.test(text.trim())) return Number(text);
  throw new UsageError(`--${name} takes whole numbers from 0 to 9999999, not ${JSON.stringify(text)}.`);
}
