import { parseArgs } from "node:util";

export const USAGE = `Usage: npm start -- [FOLDER] [s3://BUCKET[/PREFIX]] [options]

Uploads a folder and goes on where it was when it is run again, however it ended before.

  (nothing)                  this checkout into a local S3 sandbox
  FOLDER                     that folder into the sandbox
  FOLDER s3://BUCKET/PREFIX  that folder into a bucket of yours, as PREFIX/path; credentials, region and endpoint
                             as for any AWS tool: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL …

Options:
  --state DIR   where the ledger and the sandbox's objects are kept (default: .bucketline in this checkout)
  --watch       stay and follow the folder; Ctrl-C ends it
  --verify      read every object back and compare it with its file; default for the sandbox only, as a bucket of
                yours may charge for it (--no-verify switches it off)
  --help        show this text
`;

export interface Arguments {
  readonly folder: string | undefined;
  readonly destination: string | undefined;
  readonly state: string | undefined;
  readonly watch: boolean;
  /** Undefined: as the destination suggests. */
  readonly verify: boolean | undefined;
}

/** The command line cannot be used. The message is for the user. */
export class UsageError extends Error {}

/**
 * @returns undefined when help is asked for
 * @throws UsageError
 */
export function parseArguments(argv: readonly string[]): Arguments | undefined {
  const { values, positionals } = parse(argv);
  if (values.help) return undefined;
  const [folder, destination, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`Too many arguments: ${more.join(" ")}`);
  if (folder?.startsWith("s3://"))
    throw new UsageError("Name the folder first: npm start -- FOLDER s3://BUCKET/PREFIX");
  if (folder === "" || values.state === "") throw new UsageError("A folder's name is empty.");
  return { folder, destination, state: values.state, watch: values.watch ?? false, verify: values.verify };
}

function parse(argv: readonly string[]) {
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      allowNegative: true,
      options: { state: { type: "string" }, watch: flag, verify: flag, help: { ...flag, short: "h" } },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
