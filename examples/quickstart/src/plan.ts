import { createHash } from "node:crypto";
import { basename, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Arguments, UsageError } from "./arguments.ts";

/** What is to be done, derived from the command line alone: the same again means the same upload again. */
export interface Plan {
  /** Of the upload. */
  readonly id: string;
  /** Absolute. */
  readonly folder: string;
  readonly exclude: readonly string[];
  readonly keyTemplate: string;
  readonly bucket: string;
  /** Start of every key, with a trailing slash; may be empty. */
  readonly prefix: string;
  /** A bucket of the user's instead of the sandbox's. */
  readonly own: boolean;
  /** SQLite file. Every upload has one of its own, so that a run works on nothing but what it was asked for. */
  readonly ledger: string;
  /** Where the sandbox keeps its objects. */
  readonly sandboxFolder: string;
  readonly watch: boolean;
  readonly verify: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url)).replace(/[/\\]$/, "");
const CHECKOUT_EXCLUDE = ["**/node_modules/**", ".git", ".git/**"];
const SANDBOX_BUCKET = "quickstart";

/**
 * @param environment INIT_CWD is where the user called npm; the endpoint is part of the destination
 * @throws UsageError
 */
export function makePlan(args: Arguments, environment: Environment): Plan {
  const directory = environment.INIT_CWD ?? process.cwd();
  const folder = args.folder === undefined ? CHECKOUT : resolve(directory, args.folder);
  const stateFolder = args.state === undefined ? join(CHECKOUT, ".bucketline") : resolve(directory, args.state);
  const own = args.destination === undefined ? undefined : parseDestination(args.destination);
  const endpoint = own && (environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL ?? "");
  const name = nameOf(folder, [folder, own?.bucket, own?.prefix, endpoint]);
  const id = folder === CHECKOUT && !own ? "quickstart" : name;
  return {
    id,
    folder,
    exclude: [...(folder === CHECKOUT ? CHECKOUT_EXCLUDE : []), ...globsBelow(folder, stateFolder)],
    keyTemplate: own ? `${own.prefix}{path}` : "{id}/{path}",
    bucket: own?.bucket ?? SANDBOX_BUCKET,
    prefix: own?.prefix ?? `${id}/`,
    own: own !== undefined,
    ledger: join(stateFolder, `${name}.db`),
    sandboxFolder: join(stateFolder, "s3"),
    watch: args.watch,
    verify: args.verify ?? own === undefined,
  };
}

function parseDestination(text: string): { readonly bucket: string; readonly prefix: string } {
  const [, bucket, path = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(text) ?? [];
  if (bucket === undefined)
    throw new UsageError(`The destination must be s3://BUCKET or s3://BUCKET/PREFIX, not ${text}`);
  if (/[{}]/.test(path))
    throw new UsageError("The prefix must not have braces: they are for placeholders in key templates.");
  const prefix = path.split("/").filter(Boolean).join("/");
  return { bucket, prefix: prefix && `${prefix}/` };
}

/** Readable, and different for every folder and destination. */
function nameOf(folder: string, identity: readonly unknown[]): string {
  const readable = basename(folder)
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, 40);
  return `${readable || "folder"}-${createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 10)}`;
}

/** Our own state is not to be uploaded: it changes all the time. */
function globsBelow(folder: string, stateFolder: string): string[] {
  const path = relative(folder, stateFolder).split(sep);
  if (path[0] === ".." || path[0] === "" || resolve(folder, ...path) !== stateFolder) return [];
  return [`${path.map((name) => name.replaceAll(/[\\*?[\]{}()!+@|^$]/g, "\\$&")).join("/")}/**`];
}
