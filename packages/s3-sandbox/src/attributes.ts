import { S3Error } from "./errors.ts";
import type { ObjectAttributes } from "./records.ts";
import { parseTagHeader } from "./tagging.ts";

const KEPT_HEADERS = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
  "x-amz-website-redirect-location",
] as const;

const STORAGE_CLASSES = new Set([
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "DEEP_ARCHIVE",
  "GLACIER_IR",
]);

const META = "x-amz-meta-";
const MAX_METADATA_BYTES = 2048;
const SSE = "x-amz-server-side-encryption";

type Headers = ReadonlyMap<string, string>;

/** `aws-chunked` describes the transfer, not the object, and is not kept. */
function keptEncoding(value: string): string {
  return value
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding.toLowerCase() !== "aws-chunked")
    .join(",");
}

function systemHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = headers.get(name);
    if (value === undefined) continue;
    const text = name === "content-encoding" ? keptEncoding(value) : value;
    if (text !== "") kept[name] = text;
  }
  kept["content-type"] ??= "binary/octet-stream";
  return kept;
}

function userMetadata(headers: Headers): Record<string, string> {
  const metadata: Record<string, string> = {};
  let size = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(META)) continue;
    const key = name.slice(META.length);
    metadata[key] = value;
    size += key.length + value.length;
  }
  if (size > MAX_METADATA_BYTES) {
    throw new S3Error("MetadataTooLarge", {
      details: { Size: String(size), MaxSizeAllowed: String(MAX_METADATA_BYTES) },
    });
  }
  return metadata;
}

function customerKey(headers: Headers, encryption: Record<string, string>): void {
  const algorithm = headers.get(`${SSE}-customer-algorithm`);
  const key = headers.get(`${SSE}-customer-key`);
  const md5 = headers.get(`${SSE}-customer-key-md5`);
  if (algorithm === undefined && key === undefined && md5 === undefined) return;
  if (algorithm !== "AES256" || Buffer.from(key ?? "", "base64").length !== 32 || md5 === undefined) {
    throw new S3Error("InvalidArgument", {
      message:
        "Requests specifying Server Side Encryption with Customer provided keys must provide a 256 bit key, its MD5 and AES256.",
    });
  }
  encryption[`${SSE}-customer-algorithm`] = algorithm;
  encryption[`${SSE}-customer-key-md5`] = md5;
}

function encryptionHeaders(headers: Headers): Record<string, string> {
  const encryption: Record<string, string> = {};
  const mode = headers.get(SSE);
  if (mode !== undefined && !["AES256", "aws:kms", "aws:kms:dsse"].includes(mode)) {
    throw new S3Error("InvalidArgument", {
      message: "The encryption method specified is not supported",
      details: { ArgumentName: SSE, ArgumentValue: mode },
    });
  }
  if (mode !== undefined) encryption[SSE] = mode;
  for (const name of [`${SSE}-aws-kms-key-id`, `${SSE}-bucket-key-enabled`]) {
    const value = headers.get(name);
    if (value !== undefined) encryption[name] = value;
  }
  customerKey(headers, encryption);
  return encryption;
}

/**
 * The object settings in a request's headers.
 * @throws S3Error InvalidStorageClass, MetadataTooLarge, InvalidTag, InvalidArgument
 */
export function readAttributes(headers: Headers): ObjectAttributes {
  const storageClass = headers.get("x-amz-storage-class") ?? "STANDARD";
  if (!STORAGE_CLASSES.has(storageClass)) {
    throw new S3Error("InvalidStorageClass", { details: { StorageClassRequested: storageClass } });
  }
  return {
    headers: systemHeaders(headers),
    metadata: userMetadata(headers),
    tags: parseTagHeader(headers.get("x-amz-tagging")),
    storageClass,
    encryption: encryptionHeaders(headers),
  };
}

/** The headers of a GET or HEAD answer that show these settings. */
export function showAttributes(attributes: ObjectAttributes): Record<string, string> {
  const shown: Record<string, string> = { ...attributes.headers, ...attributes.encryption };
  for (const [name, value] of Object.entries(attributes.metadata)) shown[META + name] = value;
  if (attributes.storageClass !== "STANDARD") shown["x-amz-storage-class"] = attributes.storageClass;
  const tags = Object.keys(attributes.tags).length;
  if (tags > 0) shown["x-amz-tagging-count"] = String(tags);
  return shown;
}

/** With KMS or customer keys S3's ETags are not MD5 digests of the data. */
export function hasOpaqueEtag({ encryption }: ObjectAttributes): boolean {
  return encryption[SSE]?.startsWith("aws:kms") === true || encryption[`${SSE}-customer-algorithm`] !== undefined;
}

/**
 * Checks the customer key of a request against the one the data was written with.
 * @throws S3Error InvalidRequest when it is missing, AccessDenied when it is another
 */
export function checkCustomerKey(stored: Record<string, string>, headers: Headers): void {
  const needed = stored[`${SSE}-customer-key-md5`];
  const given = headers.get(`${SSE}-customer-key-md5`);
  if (needed === given) return;
  if (needed !== undefined && given !== undefined) throw new S3Error("AccessDenied");
  throw new S3Error("InvalidRequest", {
    message:
      needed === undefined
        ? "The encryption parameters are not applicable to this object."
        : "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
  });
}
