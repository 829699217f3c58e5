import { createHash } from "node:crypto";
import { checkCustomerKey, hasOpaqueEtag, readAttributes, showAttributes } from "./attributes.ts";
import type { Received } from "./body.ts";
import { type Checksum, type ChecksumAlgorithm, checksumHeader } from "./checksums.ts";
import { beginConditionalWrite, checkReadConditions } from "./conditions.ts";
import { S3Error } from "./errors.ts";
import type { Extent, ObjectAttributes, ObjectRecord } from "./records.ts";
import { emptyReply, type Reply } from "./reply.ts";
import { type Call, checkVersion, type Operation, objectKey, type Service } from "./service.ts";

/** Streams a request's body into a new blob and returns what was received and where it lies. */
export async function storeBody(
  service: Service,
  call: Call,
  wanted: readonly ChecksumAlgorithm[] = [],
): Promise<{ received: Received; extents: Extent[] }> {
  const writer = service.storage.createBlob();
  try {
    const received = await call.body.receive((chunk) => writer.write(chunk), wanted);
    if (received.size > 0) {
      const blob = await writer.finish();
      return { received, extents: [{ blob, offset: 0, length: received.size }] };
    }
    await writer.discard();
    return { received, extents: [] };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** Frees blobs of a write that was not committed after all. */
export function discardExtents(service: Service, extents: readonly Extent[]): void {
  for (const { blob } of extents) if (!service.catalog.refers(blob)) service.storage.removeBlob(blob);
}

/** A body's length must be known before it comes, as S3 demands. */
export function requireLength(call: Call): void {
  if (call.header("content-length") !== undefined || call.header("x-amz-decoded-content-length") !== undefined) return;
  if (call.header("transfer-encoding") === undefined) throw new S3Error("MissingContentLength");
  throw new S3Error("NotImplemented", { details: { Header: "Transfer-Encoding" } });
}

export function etagOf(md5: Buffer, attributes: ObjectAttributes): string {
  if (!hasOpaqueEtag(attributes)) return md5.toString("hex");
  return createHash("md5").update("opaque").update(md5).digest("hex");
}

export function quote(etag: string): string {
  return `"${etag}"`;
}

function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, "x-amz-checksum-type": checksum.type };
}

function declaredChecksumOf(received: Received): Checksum | undefined {
  if (!received.declared) return undefined;
  const value = received.checksums.get(received.declared) as string;
  return { algorithm: received.declared, type: "FULL_OBJECT", value };
}

export const putObject: Operation = async (service, call) => {
  const bucket = service.bucket(call);
  const key = objectKey(call);
  requireLength(call);
  const attributes = readAttributes(call.info.parameters);
  const condition = beginConditionalWrite(call.info.parameters, bucket, key);
  try {
    const { received, extents } = await storeBody(service, call);
    const checksum = declaredChecksumOf(received);
    const object: ObjectRecord = {
      ...attributes,
      key,
      size: received.size,
      etag: etagOf(received.md5, attributes),
      lastModified: service.now(),
      extents,
      ...(checksum ? { checksum } : {}),
    };
    try {
      service.bucket(call);
      condition.check();
      service.commit({ type: "objectPut", bucket: bucket.name, object }, call);
    } catch (error) {
      discardExtents(service, extents);
      throw error;
    }
    return emptyReply(200, { etag: quote(object.etag), ...attributes.encryption, ...checksumHeaders(checksum) });
  } finally {
    condition.release();
  }
};

interface ByteRange {
  start: number;
  end: number;
}

/**
 * One byte range, end exclusive. Undefined means the whole object: no header, several ranges, or a unit that is not
 * bytes.
 */
function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const first = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = match[1] === "" || match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[1] !== "" && match[2] !== "" && Number(match[2]) < Number(match[1])) return undefined;
  if (first >= size) {
    throw new S3Error("InvalidRange", {
      details: { RangeRequested: header as string, ActualObjectSize: String(size) },
      headers: { "content-range": `bytes */${size}` },
    });
  }
  return { start: first, end: last + 1 };
}

function partRange(object: ObjectRecord, partNumber: number): ByteRange {
  const parts = object.parts ?? [{ size: object.size }];
  const part = parts[partNumber - 1];
  if (!part)
    throw new S3Error("InvalidPartNumber", {
      details: { ActualPartCount: String(parts.length), PartNumberRequested: String(partNumber) },
    });
  const start = parts.slice(0, partNumber - 1).reduce((sum, { size }) => sum + size, 0);
  return { start, end: start + part.size };
}

function selectRange(call: Call, object: ObjectRecord): ByteRange | undefined {
  const range = call.header("range");
  const partNumber = call.info.query.get("partNumber");
  if (partNumber === undefined) return parseRange(range, object.size);
  if (range !== undefined)
    throw new S3Error("InvalidRequest", { message: "Cannot specify both Range header and partNumber query parameter" });
  if (!/^[1-9]\d{0,4}$/.test(partNumber))
    throw new S3Error("InvalidArgument", { message: "partNumber must be an integer between 1 and 10000" });
  return partRange(object, Number(partNumber));
}

const OVERRIDES = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
];

/** Headers of a GET or HEAD answer, and the part of the object it is about. */
function describe(call: Call, object: ObjectRecord): { reply: Reply; start: number; end: number } {
  const shown: Record<string, string> = {
    ...showAttributes(object),
    etag: quote(object.etag),
    "last-modified": new Date(object.lastModified).toUTCString(),
    "accept-ranges": "bytes",
  };
  checkCustomerKey(object.encryption, call.info.parameters);
  if (checkReadConditions(call.info.parameters, object)) return { reply: emptyReply(304, shown), start: 0, end: 0 };
  const range = selectRange(call, object);
  const { start, end } = range ?? { start: 0, end: object.size };
  for (const name of OVERRIDES) {
    const value = call.info.query.get(`response-${name}`);
    if (value !== undefined) shown[name] = value;
  }
  if (call.info.query.has("partNumber") && object.parts) shown["x-amz-mp-parts-count"] = String(object.parts.length);
  if (call.header("x-amz-checksum-mode")?.toUpperCase() === "ENABLED" && start === 0 && end === object.size) {
    Object.assign(shown, checksumHeaders(object.checksum));
  }
  shown["content-length"] = String(end - start);
  if (range) shown["content-range"] = `bytes ${start}-${end - 1}/${object.size}`;
  return { reply: { status: range ? 206 : 200, headers: shown }, start, end };
}

export const headObject: Operation = (service, call) => describe(call, service.object(call)).reply;

export const getObject: Operation = (service, call) => {
  const object = service.object(call);
  const { reply, start, end } = describe(call, object);
  if (reply.status === 304) return reply;
  const onEnd = service.hold(object.extents);
  return { ...reply, stream: service.storage.read(object.extents, start, end), onEnd };
};

export const deleteObject: Operation = (service, call) => {
  const bucket = service.bucket(call);
  const key = objectKey(call);
  checkVersion(call.info.query.get("versionId"));
  const match = call.header("if-match");
  const object = bucket.objects.get(key);
  if (match !== undefined) {
    if (!object) throw new S3Error("NoSuchKey", { details: { Key: key } });
    checkReadConditions(new Map([["if-match", match]]), object);
  }
  if (object) service.commit({ type: "objectDeleted", bucket: bucket.name, key }, call);
  return emptyReply(204);
};
