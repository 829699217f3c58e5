import { readDuration, readSize, ValueProblem } from "../config/values.ts";
import type { OptionDefinition } from "./define.ts";

/** The options that say what an upload is, by the names that RegisterOptions of the library has. */
export interface UploadArguments {
  readonly pattern?: readonly string[];
  readonly exclude?: readonly string[];
  readonly dot?: boolean;
  readonly keyTemplate?: string;
  readonly symlinks?: "skip" | "follow";
  readonly overwrite?: "always" | "never";
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly minAge?: number;
  readonly maxAge?: number;
  readonly priority?: number;
  readonly compare?: "stat" | "hash";
  readonly onSourceDelete?: "keep" | "delete";
  readonly rootMarker?: string;
  /** `moveTo` as it was given. */
  readonly afterUpload?: "keep" | "delete" | { readonly moveTo: string };
  readonly pipeline?: string;
  readonly storageClass?: string;
  readonly serverSideEncryption?: string;
  readonly kmsKeyId?: string;
  readonly acl?: string;
  readonly cacheControl?: string;
  readonly contentType?: string;
  readonly expectedBucketOwner?: string;
  /** `NAME=VALUE`. */
  readonly tag?: readonly string[];
  /** `NAME=VALUE`. */
  readonly metadata?: readonly string[];
}

/** Which files: for sync, plan and register. */
export const FILE_OPTIONS: readonly OptionDefinition[] = [
  { flags: "-p, --pattern <glob>", isRepeated: true, summary: "only files that match (default: every file)" },
  { flags: "-x, --exclude <glob>", isRepeated: true, summary: "files and folders to leave out" },
  { flags: "--no-dot", summary: "leave names out that start with a dot" },
  { flags: "--symlinks <how>", summary: "what becomes of links (default: skip)", choices: ["skip", "follow"] },
  { flags: "--min-size <size>", summary: "leave smaller files out", read: readSize },
  { flags: "--max-size <size>", summary: "leave larger files out", read: readSize },
  { flags: "--min-age <duration>", summary: "leave files out that were changed less long ago", read: readDuration },
  { flags: "--max-age <duration>", summary: "leave files out that were changed longer ago", read: readDuration },
  {
    flags: "--compare <how>",
    summary: "hash: read files of which only times changed before they are sent again (default: stat)",
    choices: ["stat", "hash"],
  },
];

/** What becomes of files on their way. */
export const PIPELINE_OPTION: OptionDefinition = {
  flags: "--pipeline <name>",
  summary: "check and transform files by this pipeline of bucketline.yaml (default: none)",
};

/** And of the files themselves. */
export const AFTER_OPTION: OptionDefinition = {
  flags: "--after-upload <what>",
  summary: "what becomes of files that are sent: keep, delete, or move:FOLDER (default: keep)",
  read: readAfterUpload,
};

/** @throws ValueProblem */
function readAfterUpload(text: string): NonNullable<UploadArguments["afterUpload"]> {
  if (text === "keep" || text === "delete") return text;
  const moveTo = text.startsWith("move:") ? text.slice("move:".length) : "";
  if (moveTo === "") throw new ValueProblem("keep, delete, or move: and a folder, such as move:/srv/sent");
  return { moveTo };
}

/** How they are stored. */
export const OBJECT_OPTIONS: readonly OptionDefinition[] = [
  {
    flags: "--key-template <template>",
    summary: "key of each object, of {id} {path} {dir} {name} {ext} {yyyy} {mm} {dd}",
  },
  {
    flags: "--overwrite <when>",
    summary: "never: leave objects alone that are there (default: always)",
    choices: ["always", "never"],
  },
  { flags: "--storage-class <class>", summary: "such as STANDARD_IA" },
  { flags: "--server-side-encryption <kind>", summary: "AES256, aws:kms or aws:kms:dsse" },
  { flags: "--kms-key-id <id>", summary: "key for aws:kms" },
  { flags: "--acl <acl>", summary: "canned ACL, such as bucket-owner-full-control" },
  { flags: "--cache-control <text>", summary: "header of the objects" },
  { flags: "--content-type <type>", summary: "for all files (default: by each name)" },
  { flags: "--expected-bucket-owner <account>", summary: "refuse the bucket when somebody else owns it" },
  { flags: "--tag <name=value>", isRepeated: true, summary: "tag of the objects" },
  { flags: "--metadata <name=value>", isRepeated: true, summary: "user metadata of the objects" },
];

/** A folder whose files may vanish. */
export const DELETE_OPTIONS: readonly OptionDefinition[] = [
  {
    flags: "--on-source-delete <what>",
    summary: "delete: remove objects of files that are gone, within limits (default: keep)",
    choices: ["keep", "delete"],
  },
  { flags: "--root-marker <path>", summary: "a file without which the folder counts as not mounted" },
];
