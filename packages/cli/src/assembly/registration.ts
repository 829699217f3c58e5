import { resolve } from "node:path";
import type { RegisterOptions } from "@bucketline/core";
import { UsageError } from "../errors.ts";
import { printable } from "../output/printable.ts";
import type { UploadArguments } from "../program/upload-options.ts";

export interface Destination {
  readonly bucket: string;
  /** Start of every key, with a trailing slash; may be empty. */
  readonly prefix: string;
}

/** @throws UsageError unless it is `s3://BUCKET` or `s3://BUCKET/PREFIX` */
export function parseDestination(text: string): Destination {
  // Access points are named by ARNs, which have a slash or a colon before their name: arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME.
  const [, bucket, path = ""] = /^s3:\/\/(arn:[^/]+[/:][^/]+|[^/]+)(?:\/(.*))?$/s.exec(text) ?? [];
  if (bucket === undefined)
    throw new UsageError(
      `The destination must be s3://BUCKET or s3://BUCKET/PREFIX, not ${printable(JSON.stringify(text))}.`,
    );
  if (/[{}]/.test(path))
    throw new UsageError("The destination must not have braces. Placeholders go into --key-template.");
  const prefix = path.split("/").filter(Boolean).join("/");
  return { bucket, prefix: prefix && `${prefix}/` };
}

const OBJECT_TEXTS = [
  "storageClass",
  "serverSideEncryption",
  "kmsKeyId",
  "acl",
  "cacheControl",
  "contentType",
  "expectedBucketOwner",
] as const;

const SAME_NAMES = [
  "pattern",
  "exclude",
  "dot",
  "symlinks",
  "overwrite",
  "minSize",
  "maxSize",
  "minAge",
  "maxAge",
  "priority",
  "compare",
  "onSourceDelete",
  "rootMarker",
  "pipeline",
] as const;

/**
 * What the options of a command say about an upload, for `register` and `plan` of the library. A file goes to the
 * destination's prefix and its path; a key template counts below the prefix.
 * @param workingFolder from which relative paths are taken
 * @throws UsageError
 */
export function registerOptions(
  args: UploadArguments,
  folder: string,
  destination: string,
  workingFolder: string,
): RegisterOptions {
  const { bucket, prefix } = parseDestination(destination);
  if (folder === "") throw new UsageError("The folder's name is empty.");
  const given = <K extends keyof UploadArguments>(names: readonly K[]) =>
    names.flatMap((name) => (args[name] === undefined ? [] : [[name, args[name]] as const]));
  const object = {
    ...Object.fromEntries(given(OBJECT_TEXTS)),
    ...(args.tag && { tags: pairs("--tag", args.tag) }),
    ...(args.metadata && { metadata: pairs("--metadata", args.metadata) }),
  };
  const { afterUpload } = args;
  return {
    sourceFolder: resolve(workingFolder, folder),
    bucket,
    keyTemplate: `${prefix}${args.keyTemplate ?? "{path}"}`,
    // As other commands that copy folders into buckets do, and not as the library.
    dot: true,
    ...Object.fromEntries(given(SAME_NAMES)),
    ...(afterUpload !== undefined && {
      afterUpload:
        typeof afterUpload === "string" ? afterUpload : { moveTo: resolve(workingFolder, afterUpload.moveTo) },
    }),
    ...(Object.keys(object).length > 0 && { object }),
  };
}

/** `NAME=VALUE` of an option that may be repeated. @throws UsageError */
export function pairs(option: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw new UsageError(`Option ${option} must be NAME=VALUE, not ${printable(JSON.stringify(text))}.`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
