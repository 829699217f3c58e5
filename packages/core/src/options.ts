import { isAbsolute, resolve } from "node:path";
import { activeHoursProblem } from "./active-hours.ts";
import { afterUploadOption, checkAfterUpload, dropOption } from "./after-upload.ts";
import { InputError } from "./errors.ts";
import { compileKeyTemplate } from "./keys.ts";
import { compilePatterns } from "./patterns.ts";
import { NO_PIPELINES, type Pipelines } from "./pipeline/pipelines.ts";
import type { ObjectSettings } from "./ports/object-store.ts";
import { scheduleProblem } from "./schedule.ts";
import type { AfterUpload, DropSettings, UploadMode, UploadSpec } from "./upload.ts";

/** What to upload, from where, to where, and how. Only the first two are required. */
export interface RegisterOptions {
  /** Default: a random UUID. `[A-Za-z0-9._-]{1,128}`, but not `.` or `..` */
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
  /** `hash`: a file of which only times or inode changed is read and compared by checksum before it is sent. Default: `stat`. */
  readonly compare?: "stat" | "hash";
  /** `delete` removes the object of a file that is gone from the folder, within `deleteLimit`. Default: `keep`. */
  readonly onSourceDelete?: "keep" | "delete";
  /**
   * The source file, once the bucket is proven to hold it: `keep` (default), `delete`, or moved into another folder of the
   * same disk, which must exist. Never a file that has changed since it was sent. Not with `onSourceDelete: "delete"` or
   * `symlinks: "follow"`.
   */
  readonly afterUpload?: AfterUpload;
  /**
   * The source folder is a drop folder: files put into its folder incoming/ are moved to working/, sent, and moved to done/
   * or failed/. `retention`: after so many milliseconds files in done/ are deleted; default: never. Default of all: null.
   */
  readonly drop?: Partial<DropSettings> | null;
  /**
   * One scan deletes at most `files` objects (default 1,000) and, from ten on, at most this `share` of all (0 … 1, default
   * 0.5); beyond either it deletes none and warns.
   */
  readonly deleteLimit?: { readonly files?: number; readonly share?: number };
  /** A file that must be in the source folder, or the folder counts as missing: proves that its disk is mounted. */
  readonly rootMarker?: string;
  /**
   * When a watched folder is scanned: every so many milliseconds, a cron expression (`0 3 * * *`, local time), or `manual`:
   * once, and then only by `check`. Default: the service's `monitorInterval`.
   */
  readonly schedule?: number | string;
  /** After so many milliseconds a file that never becomes quiet is sent as soon as one transfer sees it unchanged. Default: never. */
  readonly maxUnstableAge?: number;
  /** Local hours in which files are sent, such as `22:00-06:00` or `Mon-Fri 18:00-08:00, Sat-Sun 00:00-24:00`. Default: always. */
  readonly activeHours?: string;
  /** Bytes per second. Default: no limit. */
  readonly bandwidthLimit?: number;
  /**
   * Binds the upload to the services with this name (their option `host`): for folders on a host's own disks when several
   * hosts share a ledger. Default: any host scans and sends, so every host must see the same folder; with `drop`, this one.
   */
  readonly host?: string;
  /** Name of a pipeline of the service: every file is checked, and perhaps transformed, before it is sent. Default: none. */
  readonly pipeline?: string;
  /** How the objects are stored. */
  readonly object?: ObjectSettings;
}

/** Clients take . and .. out of paths and keys. */
const ID = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;
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
  "compare",
  "onSourceDelete",
  "afterUpload",
  "drop",
  "deleteLimit",
  "rootMarker",
  "schedule",
  "maxUnstableAge",
  "activeHours",
  "bandwidthLimit",
  "host",
  "pipeline",
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
 * @param pipelines those of the service
 * @throws InputError `INVALID_OPTION`, `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE`, `INVALID_KEY_TEMPLATE`, `PIPELINE_UNKNOWN`
 */
export function toSpec(options: RegisterOptions, id: string, pipelines: Pipelines = NO_PIPELINES): UploadSpec {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw new InputError(
        "INVALID_OPTION",
        `Unknown option ${JSON.stringify(name)}. Known: ${[...KNOWN].join(", ")}.`,
      );
  }
  if (!ID.test(id)) throw invalid("id", "1 to 128 letters, digits, dots, dashes or underscores, and not . or ..", id);
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
    compare: oneOf("compare", options.compare, ["stat", "hash"]),
    onSourceDelete: oneOf("onSourceDelete", options.onSourceDelete, ["keep", "delete"]),
    afterUpload: afterUploadOption(options.afterUpload),
    drop: dropOption(options.drop),
    deleteLimit: deleteLimit(options.deleteLimit),
    rootMarker: rootMarker(options.rootMarker),
    schedule: scheduleOption(options.schedule),
    maxUnstableAge: amount("maxUnstableAge", options.maxUnstableAge),
    activeHours: activeHoursOption(options.activeHours),
    bandwidthLimit: bandwidthOption(options.bandwidthLimit),
    host: options.host === undefined ? null : text("host", options.host),
    ...pipelines.settings(options.pipeline === undefined ? null : text("pipeline", options.pipeline)),
    object: objectSettings(options.object),
  };
  checkAfterUpload(spec);
  compilePatterns(spec);
  compileKeyTemplate(spec.keyTemplate, id);
  pipelines.refuse(spec);
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

function deleteLimit(value: unknown): UploadSpec["deleteLimit"] {
  if (value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value)))
    throw invalid("deleteLimit", "an object", value);
  const { files = 1_000, share = 0.5, ...rest } = (value ?? {}) as { files?: unknown; share?: unknown };
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw new InputError("INVALID_OPTION", `Unknown option deleteLimit.${unknown}. Known: files, share.`);
  if (typeof share !== "number" || !(share >= 0 && share <= 1))
    throw invalid("deleteLimit.share", "a number from 0 to 1", share);
  return { files: wholeNumber("deleteLimit.files", files, 0), share };
}

function rootMarker(value: unknown): string | null {
  if (value === undefined) return null;
  const path = text("rootMarker", value);
  const parts = path.split("/");
  if (path.includes("\0") || parts.some((part) => part === "" || part === "." || part === ".."))
    throw invalid("rootMarker", "a path relative to the source folder, without . and ..", value);
  return path;
}

/** Also for changes of a running upload. @throws InputError `INVALID_OPTION` */
export function scheduleOption(value: unknown): number | string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") return wholeNumber("schedule", value, 1);
  const schedule = text("schedule", value);
  const problem = scheduleProblem(schedule);
  if (problem !== undefined) throw invalid("schedule", `milliseconds, a cron expression or manual (${problem})`, value);
  return schedule;
}

/** Also for the service's own hours and for changes of a running upload. @throws InputError `INVALID_OPTION` */
export function activeHoursOption(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const hours = text("activeHours", value);
  const problem = activeHoursProblem(hours);
  if (problem !== undefined) throw invalid("activeHours", `times such as 22:00-06:00 (${problem})`, value);
  return hours;
}

/** Also for the service's own limit and for changes of a running upload. @throws InputError `INVALID_OPTION` */
export function bandwidthOption(value: unknown): number | null {
  return value === undefined || value === null ? null : wholeNumber("bandwidthLimit", value, 1);
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
