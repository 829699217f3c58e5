import { randomBytes } from "node:crypto";
import { checkCustomerKey, readAttributes } from "./attributes.ts";
import type { Bucket, OpenUpload } from "./catalog.ts";
import {
  type ChecksumAlgorithm,
  checksumHeader,
  declaredChecksum,
  defaultChecksumType,
  parseAlgorithm,
  parseChecksumType,
} from "./checksums.ts";
import { S3Error } from "./errors.ts";
import { discardExtents, etagOf, quote, requireLength, storeBody } from "./objects.ts";
import type { PartRecord, UploadRecord } from "./records.ts";
import { emptyReply, xmlReply } from "./reply.ts";
import { type Call, type Operation, objectKey, type Service } from "./service.ts";

/** @throws S3Error NoSuchUpload, also for an upload of another key */
export function findUpload(bucket: Bucket, call: Call): OpenUpload {
  const uploadId = call.info.uploadId as string;
  const upload = bucket.uploads.get(uploadId);
  if (!upload || upload.record.key !== call.info.key)
    throw new S3Error("NoSuchUpload", { details: { UploadId: uploadId } });
  return upload;
}

function checksumSettings(call: Call): Pick<UploadRecord, "checksumAlgorithm" | "checksumType"> {
  const name = call.header("x-amz-checksum-algorithm");
  const type = call.header("x-amz-checksum-type");
  if (name === undefined) {
    if (type === undefined) return {};
    throw new S3Error("InvalidRequest", {
      message: "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    });
  }
  const checksumAlgorithm = parseAlgorithm(name);
  const checksumType =
    type === undefined ? defaultChecksumType(checksumAlgorithm) : parseChecksumType(checksumAlgorithm, type);
  return { checksumAlgorithm, checksumType };
}

function uploadHeaders(upload: UploadRecord): Record<string, string> {
  return {
    ...upload.encryption,
    ...(upload.checksumAlgorithm ? { "x-amz-checksum-algorithm": upload.checksumAlgorithm } : {}),
    ...(upload.checksumType ? { "x-amz-checksum-type": upload.checksumType } : {}),
  };
}

/** Begins with the time, so that ids sort by initiation; the rest cannot be guessed. */
function createUploadId(time: number): string {
  return time.toString(36).padStart(9, "0") + randomBytes(20).toString("hex");
}

export const createMultipartUpload: Operation = (service, call) => {
  const bucket = service.bucket(call);
  const initiated = service.settings.clock().getTime();
  const upload: UploadRecord = {
    ...readAttributes(call.info.parameters),
    ...checksumSettings(call),
    uploadId: createUploadId(initiated),
    key: objectKey(call),
    initiated,
  };
  service.commit({ type: "uploadCreated", bucket: bucket.name, upload }, call);
  return xmlReply(
    "InitiateMultipartUploadResult",
    [
      ["Bucket", bucket.name],
      ["Key", upload.key],
      ["UploadId", upload.uploadId],
    ],
    uploadHeaders(upload),
  );
};

/** @throws S3Error InvalidArgument unless the number is 1 to 10,000 */
export function partNumberOf(call: Call): number {
  const text = call.info.query.get("partNumber") ?? "";
  const partNumber = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (partNumber >= 1 && partNumber <= 10_000) return partNumber;
  throw new S3Error("InvalidArgument", {
    message: "Part number must be an integer between 1 and 10000, inclusive",
    details: { ArgumentName: "partNumber", ArgumentValue: text },
  });
}

/** The algorithm a part says it uses, from its header, its trailer announcement or the SDK's hint. */
function partAlgorithm(call: Call): ChecksumAlgorithm | undefined {
  const declared = declaredChecksum(call.info.parameters);
  if (declared) return declared.algorithm;
  const trailer = /^x-amz-checksum-(\w+)$/i.exec(call.header("x-amz-trailer") ?? "");
  return trailer ? parseAlgorithm(trailer[1] as string) : undefined;
}

/**
 * A part must use the upload's algorithm; only full-object uploads may leave it to the server. An upload without an
 * algorithm takes any: the AWS SDK for JavaScript sends a CRC32 with every part, whether or not the upload was created
 * with one.
 */
function checkPartAlgorithm(upload: UploadRecord, sent: ChecksumAlgorithm | undefined): void {
  const expected = upload.checksumAlgorithm;
  if (expected === undefined || sent === expected || (sent === undefined && upload.checksumType === "FULL_OBJECT"))
    return;
  const name = (algorithm: ChecksumAlgorithm | undefined): string => algorithm?.toLowerCase() ?? "null";
  throw new S3Error("InvalidRequest", {
    message: `Checksum Type mismatch occurred, expected checksum Type: ${name(expected)}, actual checksum Type: ${name(sent)}`,
  });
}

export const uploadPart: Operation = async (service, call) => {
  const bucket = service.bucket(call);
  objectKey(call);
  const partNumber = partNumberOf(call);
  const { record: upload } = findUpload(bucket, call);
  requireLength(call);
  checkPartAlgorithm(upload, partAlgorithm(call));
  checkCustomerKey(upload.encryption, call.info.parameters);
  const { received, extents } = await storeBody(
    service,
    call,
    upload.checksumAlgorithm ? [upload.checksumAlgorithm] : [],
  );
  const algorithm = upload.checksumAlgorithm ?? received.declared;
  const checksum = algorithm && received.checksums.get(algorithm);
  const part: PartRecord = {
    partNumber,
    size: received.size,
    etag: etagOf(received.md5, upload),
    lastModified: service.now(),
    extents,
    ...(algorithm && checksum ? { checksum, checksumAlgorithm: algorithm } : {}),
  };
  commitPart(service, call, part);
  return emptyReply(200, {
    etag: quote(part.etag),
    ...upload.encryption,
    ...(algorithm && checksum ? { [checksumHeader(algorithm)]: checksum } : {}),
  });
};

/** Commits a part, unless its upload ended while the data came. */
export function commitPart(service: Service, call: Call, part: PartRecord): void {
  try {
    const bucket = service.bucket(call);
    findUpload(bucket, call);
    service.commit({ type: "partPut", bucket: bucket.name, uploadId: call.info.uploadId as string, part }, call);
  } catch (error) {
    discardExtents(service, part.extents);
    throw error;
  }
}

export const abortMultipartUpload: Operation = (service, call) => {
  const bucket = service.bucket(call);
  objectKey(call);
  const { record } = findUpload(bucket, call);
  service.commit({ type: "uploadAborted", bucket: bucket.name, uploadId: record.uploadId }, call);
  return emptyReply(204);
};
