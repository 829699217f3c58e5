import { createHash } from "node:crypto";
import type { CreateMultipartUploadCommandInput, PutObjectCommandInput } from "@aws-sdk/client-s3";
import { type Checksum, crc32ToBase64 } from "../checksum.ts";
import { ObjectStoreError } from "../errors.ts";
import type {
  MultipartAddress,
  ObjectAddress,
  ObjectSettings,
  PutObjectRequest,
  UploadPartRequest,
  WriteCondition,
} from "../ports/object-store.ts";
import type { FailedCall } from "./classify.ts";
import type { PartInput, PutInput } from "./data-path.ts";

/** `crc32`: CRC32 of the full object, checked and kept by the store. `none`: Content-MD5, which every store knows. */
export type ChecksumMode = "crc32" | "none";

/** Name of the user metadata that carries a write's token. */
export const TOKEN_METADATA = "bucketline-token";

type SettingsInput = Pick<
  CreateMultipartUploadCommandInput & PutObjectCommandInput,
  | "ContentType"
  | "CacheControl"
  | "ContentDisposition"
  | "ContentEncoding"
  | "ContentLanguage"
  | "StorageClass"
  | "ServerSideEncryption"
  | "SSEKMSKeyId"
  | "ACL"
  | "Tagging"
  | "Metadata"
  | "ExpectedBucketOwner"
>;

/** What every request names but the key. */
export type BucketRequest = Omit<ObjectAddress, "key">;

export function bucketInput({ bucket, expectedBucketOwner }: BucketRequest) {
  return { Bucket: bucket, ...(expectedBucketOwner !== undefined && { ExpectedBucketOwner: expectedBucketOwner }) };
}

export function objectInput(request: ObjectAddress) {
  return { ...bucketInput(request), Key: request.key };
}

export function multipartInput(request: MultipartAddress) {
  return { ...objectInput(request), UploadId: request.multipartId };
}

/** @throws ObjectStoreError as `settingsInput` */
export function putInput(request: PutObjectRequest, mode: ChecksumMode, call: FailedCall): PutInput {
  return {
    ...settingsInput(request.settings, request.token, call),
    ...objectInput(request),
    ...conditionInput(request.condition),
    ...bodyChecksumInput(mode, request.body, request.checksum),
    Body: request.body,
  };
}

export function partInput(request: UploadPartRequest, mode: ChecksumMode): PartInput {
  return {
    ...multipartInput(request),
    ...bodyChecksumInput(mode, request.body, request.checksum),
    PartNumber: request.partNumber,
    Body: request.body,
  };
}

/**
 * The settings as PutObject and CreateMultipartUpload take them. Storage class, encryption and ACL go out as they are:
 * the store knows which it offers.
 * @throws ObjectStoreError `rejected` when a metadata name cannot be part of a header name
 */
export function settingsInput(settings: ObjectSettings, token: string, call: FailedCall): SettingsInput {
  return {
    ContentType: settings.contentType,
    CacheControl: settings.cacheControl,
    ContentDisposition: settings.contentDisposition,
    ContentEncoding: settings.contentEncoding,
    ContentLanguage: settings.contentLanguage,
    StorageClass: settings.storageClass as SettingsInput["StorageClass"],
    ServerSideEncryption: settings.serverSideEncryption as SettingsInput["ServerSideEncryption"],
    SSEKMSKeyId: settings.kmsKeyId,
    ACL: settings.acl as SettingsInput["ACL"],
    Tagging: settings.tags && encodeTags(settings.tags),
    Metadata: encodeMetadata({ ...settings.metadata, [TOKEN_METADATA]: token }, call),
    ExpectedBucketOwner: settings.expectedBucketOwner,
  };
}

/** The form of a query string, with %20 for a space: S3 takes no other. */
function encodeTags(tags: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(tags).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return pairs.join("&");
}

function encodeMetadata(metadata: Readonly<Record<string, string>>, call: FailedCall): Record<string, string> {
  const encoded: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) {
      throw new ObjectStoreError(
        { ...call, kind: "rejected", providerCode: "InvalidArgument" },
        `the metadata name ${JSON.stringify(name)} is not allowed. Use letters, digits, "-", "_" and ".".`,
      );
    }
    encoded[name.toLowerCase()] = encodeMetadataValue(value);
  }
  return encoded;
}

/**
 * A metadata value as a header can carry it. S3 decodes RFC 2047 words before it stores a value and encodes them again
 * when it answers (S3 user guide, "Working with object metadata"), so everything that is not plain printable ASCII goes
 * out as UTF-8 words in base64, each at most 75 characters long.
 */
export function encodeMetadataValue(value: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !/ {2}|=\?/.test(value)) return value;
  const words: string[] = [];
  let bytes = 0;
  for (const character of value) {
    bytes += Buffer.byteLength(character);
    if (words.length === 0 || bytes > LARGEST_WORD) {
      words.push("");
      bytes = Buffer.byteLength(character);
    }
    words[words.length - 1] += character;
  }
  return words.map((word) => `=?UTF-8?B?${Buffer.from(word).toString("base64")}?=`).join(" ");
}

/** The value as it was before it was encoded, by us or by S3, which also writes the "Q" form. */
export function decodeMetadataValue(value: string): string {
  // White space between two words belongs to neither (RFC 2047, 6.2).
  return value
    .replace(/(=\?[^?\s]+\?[BQ]\?[^?\s]*\?=)\s+(?==\?)/gi, "$1")
    .replace(/=\?utf-8\?([BQ])\?([^?\s]*)\?=/gi, (_, form: string, text: string) => {
      if (form.toUpperCase() === "B") return Buffer.from(text, "base64").toString();
      const bytes = text
        .replaceAll("_", " ")
        .replace(/=([0-9A-F]{2})/gi, (_hex, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
      return Buffer.from(bytes, "latin1").toString();
    });
}

/** Bytes whose base64 fits one word of 75 characters beside `=?UTF-8?B?` and `?=`. */
const LARGEST_WORD = 45;

/** The condition as PutObject and CompleteMultipartUpload take it. */
export function conditionInput(condition: WriteCondition | undefined): { IfNoneMatch?: "*"; IfMatch?: string } {
  if (!condition) return {};
  return "ifNoneMatch" in condition
    ? { IfNoneMatch: condition.ifNoneMatch }
    : { IfMatch: quoteEtag(condition.ifMatch) };
}

/** What lets the store check a body of known bytes. */
export function bodyChecksumInput(
  mode: ChecksumMode,
  body: Uint8Array,
  checksum: Checksum,
): { ChecksumCRC32?: string; ContentMD5?: string } {
  if (mode === "crc32") return { ChecksumCRC32: crc32ToBase64(checksum) };
  return { ContentMD5: createHash("md5").update(body).digest("base64") };
}

/** The port's ETags have no quotes. */
export function quoteEtag(etag: string): string {
  return `"${etag}"`;
}
