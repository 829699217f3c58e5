import type { Field } from "./field.ts";

/** What may be changed while an upload runs. */
export const ADJUSTABLE: readonly Field[] = [
  {
    name: "schedule",
    label: "Scans",
    kind: "schedule",
    placeholder: "At the service's interval",
    hint: "A duration such as 5 min, a cron expression such as 0 3 * * * (the service's local time), or manual.",
  },
  {
    name: "active_hours",
    label: "Hours",
    kind: "text",
    placeholder: "Always",
    hint: "Files are sent in these hours of the service's day only, such as 22:00-06:00.",
  },
  {
    name: "bandwidth_limit",
    label: "Bandwidth limit",
    kind: "size",
    placeholder: "None",
    hint: "Per second, such as 10 MiB.",
  },
  { name: "priority", label: "Priority", kind: "integer", placeholder: "0", hint: "Higher goes first." },
];

export const MAIN: readonly Field[] = [
  {
    name: "mode",
    label: "Mode",
    kind: "choice",
    choices: [
      ["watch", "Follow the folder until cancelled"],
      ["once", "Scan and send once"],
    ],
  },
  {
    name: "pattern",
    label: "Pattern",
    kind: "lines",
    placeholder: "**",
    hint: "Globs of files to send, one per line. Empty: all files.",
  },
  { name: "exclude", label: "Except", kind: "lines", placeholder: "**/*.tmp", hint: "Globs of files to leave out." },
  {
    name: "key_template",
    label: "Key",
    kind: "text",
    placeholder: "{id}/{path}",
    hint: "Of the objects. {id} {path} {dir} {name} {ext} {yyyy} {mm} {dd}",
  },
];

export const FILES: readonly Field[] = [
  { name: "dot", label: "Match dot files", kind: "flag" },
  { name: "min_size", label: "Least size", kind: "size", placeholder: "None" },
  { name: "max_size", label: "Greatest size", kind: "size", placeholder: "None" },
  { name: "min_age", label: "Least age", kind: "duration", placeholder: "None" },
  { name: "max_age", label: "Greatest age", kind: "duration", placeholder: "None" },
  {
    name: "symlinks",
    label: "Symbolic links",
    kind: "choice",
    choices: [
      ["skip", "Skip"],
      ["follow", "Follow inside the folder"],
    ],
  },
  {
    name: "compare",
    label: "A file has changed when",
    kind: "choice",
    choices: [
      ["stat", "Its size or time differs"],
      ["hash", "Its checksum differs"],
    ],
  },
  { name: "max_unstable_age", label: "Wait for a quiet file at most", kind: "duration", placeholder: "For ever" },
  {
    name: "root_marker",
    label: "Root marker",
    kind: "text",
    hint: "A file without which the folder counts as missing.",
  },
];

export const OBJECTS: readonly Field[] = [
  {
    name: "overwrite",
    label: "Objects that exist",
    kind: "choice",
    choices: [
      ["always", "Are replaced"],
      ["never", "Are left alone"],
    ],
  },
  {
    name: "on_source_delete",
    label: "When a file goes",
    kind: "choice",
    choices: [
      ["keep", "Its object is kept"],
      ["delete", "Its object is deleted"],
    ],
  },
  { name: "delete_limit.files", label: "Deletes per scan at most", kind: "integer", placeholder: "Files" },
  { name: "delete_limit.share", label: "and at most, in per cent of all", kind: "percent", placeholder: "Per cent" },
  { name: "object.content_type", label: "Content type", kind: "text", placeholder: "By extension" },
  { name: "object.cache_control", label: "Cache control", kind: "text" },
  { name: "object.content_disposition", label: "Content disposition", kind: "text" },
  { name: "object.content_encoding", label: "Content encoding", kind: "text" },
  { name: "object.content_language", label: "Content language", kind: "text" },
  { name: "object.storage_class", label: "Storage class", kind: "text", placeholder: "STANDARD" },
  { name: "object.server_side_encryption", label: "Encryption", kind: "text", placeholder: "AES256 or aws:kms" },
  { name: "object.kms_key_id", label: "KMS key", kind: "text" },
  { name: "object.acl", label: "ACL", kind: "text" },
  { name: "object.expected_bucket_owner", label: "Expected bucket owner", kind: "text" },
  { name: "object.tags", label: "Tags", kind: "pairs", placeholder: "name=value" },
  { name: "object.metadata", label: "Metadata", kind: "pairs", placeholder: "name=value" },
];

export const WORK: readonly Field[] = [
  ...ADJUSTABLE,
  { name: "host", label: "Host", kind: "text", placeholder: "Any", hint: "The only one that scans and sends." },
];
