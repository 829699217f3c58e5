import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** What the command line and the environment say. */
export interface Settings {
  /** The drop folder to stay with, absolute; undefined: a few files into a temporary one, and that is it. */
  readonly folder: string | undefined;
  /** Where drop folders that are stayed with have their ledgers and keys; absolute. */
  readonly data: string;
  /** A bucket of an S3 that the AWS SDK finds in the environment; undefined: a sandbox. */
  readonly ownBucket: string | undefined;
  readonly clamdSocket: string | undefined;
  /** Of the dashboard; 0: any free one. */
  readonly port: number;
}

export const USAGE = `usage: main.ts                a few files through a temporary drop folder
       main.ts --stay FOLDER  FOLDER, until Ctrl-C

environment: INGEST_BUCKET  a bucket of your own (the AWS SDK finds the rest); default: an S3 sandbox
             CLAMD_SOCKET   where clamd listens; default: no virus scan
             PORT           of the dashboard; default: 8080 with --stay, else any free one
             INGEST_DATA    ledger, key and spool; default: .bucketline/ingest
`;

export class UsageError extends Error {}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UsageError */
export function readSettings(args: readonly string[], environment: Environment): Settings {
  const stay = readArguments(args);
  // npm changes into the package's folder and keeps the caller's in INIT_CWD.
  const caller = environment.INIT_CWD || process.cwd();
  const port = Number(environment.PORT || (stay === undefined ? 0 : 8080));
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError(`PORT must be a number from 0 to 65535, not ${environment.PORT}`);
  return {
    folder: stay === undefined ? undefined : resolve(caller, stay),
    data: resolve(caller, environment.INGEST_DATA || ".bucketline/ingest"),
    ownBucket: environment.INGEST_BUCKET || undefined,
    clamdSocket: environment.CLAMD_SOCKET ? resolve(caller, environment.CLAMD_SOCKET) : undefined,
    port,
  };
}

function readArguments(args: readonly string[]): string | undefined {
  try {
    return parseArgs({ args: [...args], options: { stay: { type: "string" } } }).values.stay;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The same for the same folder, another one for any other: an upload's id, and where its things are. */
export function nameOf(folder: string): string {
  const readable = basename(folder).replaceAll(/[^A-Za-z0-9-]+/g, "-");
  return `${readable.slice(0, 40)}-${createHash("sha256").update(folder).digest("hex").slice(0, 8)}`;
}

/** Where the things are that the service of a drop folder keeps. None of them lies in the drop folder. */
export interface Home {
  readonly ledger: string;
  readonly key: string;
  readonly spool: string;
  readonly sandbox: string;
}

export function homeIn(folder: string): Home {
  return {
    ledger: join(folder, "ledger.db"),
    key: join(folder, "ingest.key"),
    spool: join(folder, "spool"),
    sandbox: join(folder, "sandbox"),
  };
}
