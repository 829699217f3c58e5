import { isAbsolute, resolve } from "node:path";
import { InputError } from "./errors.ts";
import { compileKeyTemplate } from "./keys.ts";
import { compilePatterns } from "./patterns.ts";
import type { ObjectSettings } from "./ports/object-store.ts";
import type { UploadMode, UploadSpec } from "./upload.ts";

/** What to upload, from where, to where, and how. Only the first two are required. */
export interface RegisterOptions {
  /** Default: a random UUID. `[A-Za-z0-9._-]{1,128}` */
  readonly id?: string;
  /** Relative paths are taken from the working directory. */
  readonly sourceFolder: string;
  readonly bucket: string;
  /** Globs (picomatch) relative to the source folder. Default: every file. */
  readonly pattern?: string | readonly string[];
  /** Globs of files and folders to leave out. Default: none. */
  readonly exclude?: string | readonly string[];
  /** Whether patterns match names that start with a dot. Default: false. */
  readonly dot?: boolean;
  /** Default `{id}/{path}`; also `{dir} {name} {ext} {yyyy} {mm} {dd}` (date of the last modification, UTC). */
  readonly keyTemplate?: string;
  /** `watch` (default) follows the folder until cancelled; `once` scans, uploads, and is done. */
  readonly mode?: UploadMode;
  /** `follow` takes links to files and folders inside the source folder. Default: `skip`. */
  readonly symlinks?: "skip" | "follow";
  /** `never` leaves an object that has the key alone and skips the file. Default: `always`. */
  readonly overwrite?: "always" | "never";
  /** Bytes, inclusive. */
  readonly minSize?: number;
  readonly maxSize?: number;
  /** Milliseconds since the last modification, inclusive. */
  readonly minAge?: number;
  readonly maxAge?: number;
  /** Higher goes first. Default: 0. */
  readonly priority?: number;
  /** How the objects are stored. */
  readonly object?: ObjectSettings;
}

const ID = /^[A-Za-z0-9._-]{1,128}$/;
const KNOWN = new Set([
  "id",
  "sourceFolder",
  "bucket",
  "pattern",
  "exclude",
  "dot",
  "keyTemplate",
  "mode",
  "symlinks",
  "overwrite",
  "minSize",
  "maxSize",
  "minAge",
  "maxAge",
  "priority",
  "object",
]);
const OBJECT_TEXTS = [
  "contentType",
  "cacheControl",
  "contentDisposition",
  "contentEncoding",
  "contentLanguage",
  "storageClass",
  "serverSideEncryption",
  "kmsKeyId",
  "acl",
  "expectedBucketOwner",
] as const;
const OBJECT_MAPS = ["tags", "metadata"] as const;
/** RFC 9110, 5.6.2: a token. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

/**
 * Checks the options and fills in the defaults; touches nothing.
 * @param id of the upload, given or made
 * @throws InputError `INVALID_OPTION`, `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE`, `INVALID_KEY_TEMPLATE`
 */
export function toSpec(options: RegisterOptions, id: string): UploadSpec {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw new InputError(
        "INVALID_OPTION",
        `Unknown option ${JSON.stringify(name)}. Known: ${[...KNOWN].join(", ")}.`,
      );
  }
  if (!ID.test(id)) throw invalid("id", "1 to 128 letters, digits, dots, dashes or underscores", id);
  const spec: UploadSpec = {
    sourceFolder: folder(options.sourceFolder),
    bucket: bucketName(options.bucket),
    pattern: globs("pattern", options.pattern, ["**"]),
    exclude: globs("exclude", options.exclude, []),
    dot: flag("dot", options.dot),
    keyTemplate: text("keyTemplate", options.keyTemplate ?? "{id}/{path}"),
    mode: oneOf("mode", options.mode, ["watch", "once"]),
    symlinks: oneOf("symlinks", options.symlinks, ["skip", "follow"]),
    overwrite: oneOf("overwrite", options.overwrite, ["always", "never"]),
    minSize: amount("minSize", options.minSize),
    maxSize: amount("maxSize", options.maxSize),
    minAge: amount("minAge", options.minAge),
    maxAge: amount("maxAge", options.maxAge),
    priority: wholeNumber("priority", options.priority ?? 0),
    object: objectSettings(options.object),
  };
  compilePatterns(spec);
  compileKeyTemplate(spec.keyTemplate, id);
  return spec;
}

function folder(value: unknown): string {
  const path = text("sourceFolder", value);
  if (path.includes("\0")) throw invalid("sourceFolder", "a path without NUL characters", value);
  return isAbsolute(path) ? path : resolve(path);
}

/** Names of buckets, access points and ARNs differ by provider; only what can never be one is refused here. */
function bucketName(value: unknown): string {
  const name = text("bucket", value);
  if (name.startsWith("s3://"))
    throw invalid("bucket", "a bucket's name without s3:// (put a prefix into keyTemplate)", value);
  if (/[\s\p{Cc}]/u.test(name) || (name.includes("/") && !name.startsWith("arn:")))
    throw invalid("bucket", "a bucket's name", value);
  return name;
}

function globs(name: string, value: unknown, fallback: readonly string[]): readonly string[] {
  if (value === undefined) return fallback;
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0 && name === "pattern")
    throw new InputError("INVALID_PATTERN", "pattern has no glob. Leave it out to take every file.");
  if (list.some((glob) => typeof glob !== "string")) throw invalid(name, "a glob or an array of globs", value);
  return [...list];
}

function objectSettings(value: unknown): ObjectSettings {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("object", "an object", value);
  const settings: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (setting === undefined) continue;
    if ((OBJECT_TEXTS as readonly string[]).includes(name)) settings[name] = headerText(`object.${name}`, setting);
    else if ((OBJECT_MAPS as readonly string[]).includes(name)) settings[name] = textMap(`object.${name}`, setting);
    else
      throw new InputError(
        "INVALID_OPTION",
        `Unknown option object.${name}. Known: ${[...OBJECT_TEXTS, ...OBJECT_MAPS].join(", ")}.`,
      );
  }
  return settings;
}

function textMap(name: string, value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(name, "an object of strings", value);
  const entries = Object.entries(value).map(([key, item]) => {
    if (name === "object.metadata" && key.toLowerCase().startsWith("bucketline-"))
      throw invalid(`${name}.${key}`, "a name that does not start with bucketline-", key);
    if (name === "object.metadata" && !HEADER_NAME.test(key))
      throw invalid(`${name}.${key}`, "a name of letters, digits and !#$%&'*+-.^_`|~ only", key);
    return [key, text(`${name}.${key}`, item)] as const;
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * These travel as HTTP headers, which are signed as UTF-8 but sent as Latin-1: a store refuses every request in which the
 * two differ, or keeps something else. Tags and metadata are encoded on their way and may be any text.
 */
function headerText(name: string, value: unknown): string {
  const header = text(name, value);
  if (/^[\x20-\x7e]+$/.test(header)) return header;
  const advice =
    name === "object.contentDisposition"
      ? ", with names of files in the form filename*=UTF-8''%C3%A9.txt (RFC 6266)"
      : "";
  throw invalid(name, `printable ASCII${advice}`, value);
}

function text(name: string, value: unknown): string {
  if (typeof value !== "string" || value === "") throw invalid(name, "a non-empty string", value);
  return value;
}

function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw invalid(name, "true or false", value);
  return value;
}

function oneOf<T extends string>(name: string, value: unknown, choices: readonly [T, ...T[]]): T {
  if (value === undefined) return choices[0];
  const choice = choices.find((known) => known === value);
  if (choice === undefined) throw invalid(name, choices.join(" or "), value);
  return choice;
}

function amount(name: string, value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const number = wholeNumber(name, value);
  if (number < 0) throw invalid(name, "0 or more", value);
  return number;
}

/** Shared with the service's own options. @throws InputError `INVALID_OPTION` */
export function wholeNumber(name: string, value: unknown, least = Number.MIN_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
    throw invalid(name, least > Number.MIN_SAFE_INTEGER ? `a whole number, ${least} or more` : "a whole number", value);
  }
  return value;
}

function invalid(name: string, wanted: string, value: unknown): InputError {
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : String(value);
  return new InputError("INVALID_OPTION", `Option ${name} must be ${wanted}, not ${shown}.`);
}
