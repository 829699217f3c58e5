import type { Checksum } from "./checksums.ts";
import { S3Error } from "./errors.ts";
import { compareKeys, type KeyIndex } from "./keys.ts";
import { quote } from "./objects.ts";
import type { ObjectRecord } from "./records.ts";
import { type Reply, xmlReply } from "./reply.ts";
import type { Call, Operation } from "./service.ts";
import type { XmlNode } from "./xml.ts";

export interface ListQuery {
  prefix: string;
  /** Empty for none. */
  delimiter: string;
  /** Entries up to and including this key are left out. */
  after: string;
  /** Whether `after` is a common prefix already reported, so that everything under it is left out. */
  afterPrefix: boolean;
  limit: number;
}

export type ListEntry = { key: string } | { prefix: string };

export interface ListPage {
  entries: ListEntry[];
  truncated: boolean;
}

/**
 * One page of keys and common prefixes in UTF-8 byte order. Keys under a common prefix are skipped by search, not one
 * by one.
 */
export function listPage(index: KeyIndex, query: ListQuery): ListPage {
  const { prefix, delimiter, after, afterPrefix, limit } = query;
  const entries: ListEntry[] = [];
  const pastPrefix = (skipped: string) => (key: string) => compareKeys(key.slice(0, skipped.length), skipped) <= 0;
  const reached = (key: string): boolean =>
    compareKeys(key, prefix) < 0 || (after !== "" && compareKeys(key, after) <= 0);
  let isBefore: ((key: string) => boolean) | undefined = afterPrefix && after !== "" ? pastPrefix(after) : reached;
  while (isBefore) {
    const skip: (key: string) => boolean = isBefore;
    isBefore = undefined;
    for (const key of index.from(skip)) {
      if (!key.startsWith(prefix)) break;
      if (limit === 0) return { entries, truncated: false };
      if (entries.length === limit) return { entries, truncated: true };
      const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      if (end < 0) {
        entries.push({ key });
        continue;
      }
      const common = key.slice(0, end + delimiter.length);
      // A marker that is itself a common prefix stands for everything under it.
      if (common !== after) entries.push({ prefix: common });
      isBefore = pastPrefix(common);
      break;
    }
  }
  return { entries, truncated: false };
}

/** @throws S3Error InvalidArgument unless absent or an integer from 0 on; more than 1,000 count as 1,000 */
export function pageLimit(call: Call, name: string): number {
  const text = call.info.query.get(name);
  if (text === undefined || text === "") return 1000;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0x7fffffff) {
    throw new S3Error("InvalidArgument", {
      message: `Argument ${name} must be an integer between 0 and 2147483647`,
      details: { ArgumentName: name, ArgumentValue: text },
    });
  }
  return Math.min(Number(text), 1000);
}

/** How keys are written in a listing: as they are, or URL-encoded when the client asked for it. */
export function keyEncoder(call: Call): { encode: (key: string) => string; type: string | undefined } {
  const type = call.info.query.get("encoding-type");
  if (type === undefined || type === "") return { encode: (key) => key, type: undefined };
  if (type !== "url") {
    throw new S3Error("InvalidArgument", {
      message: "Invalid Encoding Method specified in Request",
      details: { ArgumentName: "encoding-type", ArgumentValue: type },
    });
  }
  const encode = (key: string): string =>
    encodeURIComponent(key)
      .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll("%2F", "/")
      .replaceAll("%20", "+");
  return { encode, type };
}

function checksumNodes(checksum: Checksum | undefined): XmlNode[] {
  if (!checksum) return [];
  return [
    ["ChecksumAlgorithm", checksum.algorithm],
    ["ChecksumType", checksum.type],
  ];
}

function contents(object: ObjectRecord, encode: (key: string) => string, ownerId: string | undefined): XmlNode {
  return [
    "Contents",
    [
      ["Key", encode(object.key)],
      ["LastModified", new Date(object.lastModified).toISOString()],
      ["ETag", quote(object.etag)],
      ...checksumNodes(object.checksum),
      ["Size", object.size],
      ["StorageClass", object.storageClass],
      ["Owner", ownerId === undefined ? undefined : [["ID", ownerId]]],
    ],
  ];
}

const TOKEN_VERSION = 1;

/** Tokens are opaque to clients: where the page ended, and whether that was a common prefix. */
function writeToken(last: ListEntry): string {
  const [kind, value] = "key" in last ? ["k", last.key] : ["p", last.prefix];
  return Buffer.from(JSON.stringify([TOKEN_VERSION, kind, value])).toString("base64url");
}

function readToken(token: string): { after: string; afterPrefix: boolean } {
  try {
    const [version, kind, value] = JSON.parse(Buffer.from(token, "base64url").toString("utf8")) as unknown[];
    if (version === TOKEN_VERSION && typeof value === "string") return { after: value, afterPrefix: kind === "p" };
  } catch {
    // Falls through to the one answer for every token that is not ours.
  }
  throw new S3Error("InvalidArgument", {
    message: "The continuation token provided is incorrect",
    details: { ArgumentName: "continuation-token" },
  });
}

export const listObjectsV2: Operation = (service, call) => {
  const bucket = service.bucket(call);
  const { query } = call.info;
  const { encode, type } = keyEncoder(call);
  const [prefix, delimiter, startAfter] = ["prefix", "delimiter", "start-after"].map(
    (name) => query.get(name) ?? "",
  ) as [string, string, string];
  const token = query.get("continuation-token");
  const limit = pageLimit(call, "max-keys");
  const position = token === undefined ? { after: startAfter, afterPrefix: false } : readToken(token);
  const page = listPage(bucket.keys, { prefix, delimiter, limit, ...position });
  const last = page.entries[page.entries.length - 1];
  const owner = query.get("fetch-owner") === "true" ? service.settings.ownerId : undefined;
  return xmlReply("ListBucketResult", [
    ["Name", bucket.name],
    ["Prefix", encode(prefix)],
    ["Delimiter", delimiter === "" ? undefined : encode(delimiter)],
    ["StartAfter", startAfter === "" ? undefined : encode(startAfter)],
    ["ContinuationToken", token],
    ["NextContinuationToken", page.truncated && last ? writeToken(last) : undefined],
    ["KeyCount", page.entries.length],
    ["MaxKeys", limit],
    ["EncodingType", type],
    ["IsTruncated", page.truncated],
    ...entryNodes(page, (key) => contents(bucket.objects.get(key) as ObjectRecord, encode, owner), encode),
  ]);
};

export const listObjects: Operation = (service, call): Reply => {
  const bucket = service.bucket(call);
  const { encode, type } = keyEncoder(call);
  const [prefix, delimiter, marker] = ["prefix", "delimiter", "marker"].map(
    (name) => call.info.query.get(name) ?? "",
  ) as [string, string, string];
  const limit = pageLimit(call, "max-keys");
  const page = listPage(bucket.keys, { prefix, delimiter, after: marker, afterPrefix: false, limit });
  const last = page.entries[page.entries.length - 1];
  const next = last && ("key" in last ? last.key : last.prefix);
  return xmlReply("ListBucketResult", [
    ["Name", bucket.name],
    ["Prefix", encode(prefix)],
    ["Marker", encode(marker)],
    // S3 names the next marker only with a delimiter; otherwise it is the last key.
    ["NextMarker", page.truncated && next !== undefined && delimiter !== "" ? encode(next) : undefined],
    ["MaxKeys", limit],
    ["Delimiter", delimiter === "" ? undefined : encode(delimiter)],
    ["EncodingType", type],
    ["IsTruncated", page.truncated],
    ...entryNodes(
      page,
      (key) => contents(bucket.objects.get(key) as ObjectRecord, encode, service.settings.ownerId),
      encode,
    ),
  ]);
};

/** The entries of a page as XML: keys first, then common prefixes, as S3 orders them. */
function entryNodes(page: ListPage, item: (key: string) => XmlNode, encode: (key: string) => string): XmlNode[] {
  const keys = page.entries.flatMap((entry) => ("key" in entry ? [item(entry.key)] : []));
  const prefixes = page.entries.flatMap((entry): XmlNode[] =>
    "prefix" in entry ? [["CommonPrefixes", [["Prefix", encode(entry.prefix)]]]] : [],
  );
  return [...keys, ...prefixes];
}
