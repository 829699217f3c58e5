import { createHash } from "node:crypto";
import { checkCustomerKey, readAttributes } from "./attributes.ts";
import { type ChecksumAlgorithm, checksumElement, createDigest, parseAlgorithm } from "./checksums.ts";
import { beginConditionalWrite, checkReadConditions } from "./conditions.ts";
import { S3Error } from "./errors.ts";
import { commitPart, findUpload, partNumberOf } from "./multipart.ts";
import { etagOf, quote } from "./objects.ts";
import type { ObjectAttributes, ObjectRecord, PartRecord } from "./records.ts";
import { xmlReply } from "./reply.ts";
import { type Call, checkVersion, type Operation, objectKey, type Service } from "./service.ts";
import { slices } from "./storage/storage.ts";
import type { XmlNode } from "./xml.ts";

const COPY_CONDITIONS = {
  match: "x-amz-copy-source-if-match",
  noneMatch: "x-amz-copy-source-if-none-match",
  modifiedSince: "x-amz-copy-source-if-modified-since",
  unmodifiedSince: "x-amz-copy-source-if-unmodified-since",
};

const MAX_COPY = 5 * 1024 ** 3;

interface Source {
  bucket: string;
  object: ObjectRecord;
}

/** The object a copy reads, with its own conditions and customer key checked. */
function findSource(service: Service, call: Call): Source {
  const [path = "", version] = (call.header("x-amz-copy-source") as string).split("?versionId=");
  let decoded: string;
  try {
    decoded = decodeURIComponent(path).replace(/^\//, "");
  } catch {
    throw new S3Error("InvalidArgument", { message: "Invalid copy source encoding." });
  }
  const slash = decoded.indexOf("/");
  if (slash < 1)
    throw new S3Error("InvalidArgument", {
      message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
    });
  checkVersion(version);
  const [name, key] = [decoded.slice(0, slash), decoded.slice(slash + 1)];
  const bucket = service.catalog.buckets.get(name);
  if (!bucket) throw new S3Error("NoSuchBucket", { details: { BucketName: name } });
  const owner = call.header("x-amz-source-expected-bucket-owner");
  if (owner !== undefined && owner !== service.settings.ownerId) throw new S3Error("AccessDenied");
  const object = bucket.objects.get(key);
  if (!object) throw new S3Error("NoSuchKey", { details: { Key: key } });
  const prefix = "x-amz-copy-source-";
  const sourceHeaders = [...call.info.parameters].flatMap(([header, value]): [string, string][] =>
    header.startsWith(`${prefix}server-side`) ? [[`x-amz-${header.slice(prefix.length)}`, value]] : [],
  );
  checkCustomerKey(object.encryption, new Map(sourceHeaders));
  if (checkReadConditions(call.info.parameters, object, COPY_CONDITIONS)) throw new S3Error("PreconditionFailed");
  return { bucket: name, object };
}

function directive(call: Call, name: string): "COPY" | "REPLACE" {
  const value = call.header(name) ?? "COPY";
  if (value === "COPY" || value === "REPLACE") return value;
  throw new S3Error("InvalidArgument", {
    message: `Unknown ${name}.`,
    details: { ArgumentName: name, ArgumentValue: value },
  });
}

/**
 * Attributes of the copy: metadata and tags from the source or the request as directed, class and encryption from the
 * request.
 */
function copiedAttributes(call: Call, source: Source): ObjectAttributes {
  const requested = readAttributes(call.info.parameters);
  const metadata = directive(call, "x-amz-metadata-directive");
  const tagging = directive(call, "x-amz-tagging-directive");
  const onto = source.bucket === call.info.bucket && source.object.key === call.info.key;
  const changes =
    metadata === "REPLACE" ||
    ["x-amz-storage-class", "x-amz-server-side-encryption", "x-amz-website-redirect-location"].some(
      (name) => call.header(name) !== undefined,
    );
  if (onto && !changes) {
    throw new S3Error("InvalidRequest", {
      message:
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    });
  }
  const from = metadata === "REPLACE" ? requested : source.object;
  return {
    headers: from.headers,
    metadata: from.metadata,
    tags: tagging === "REPLACE" ? requested.tags : source.object.tags,
    storageClass: requested.storageClass,
    encryption: requested.encryption,
  };
}

async function digestRange(
  service: Service,
  object: ObjectRecord,
  start: number,
  end: number,
  algorithm: ChecksumAlgorithm | undefined,
) {
  const md5 = createHash("md5");
  const digest = algorithm && createDigest(algorithm);
  for await (const chunk of service.storage.read(object.extents, start, end)) {
    md5.update(chunk);
    digest?.update(chunk);
  }
  return { md5: md5.digest(), checksum: digest?.digest().toString("base64") };
}

export const copyObject: Operation = async (service, call) => {
  const bucket = service.bucket(call);
  const key = objectKey(call);
  const source = findSource(service, call);
  if (source.object.size > MAX_COPY) {
    throw new S3Error("InvalidRequest", {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_COPY}`,
    });
  }
  const attributes = copiedAttributes(call, source);
  const requested = call.header("x-amz-checksum-algorithm");
  const algorithm = requested === undefined ? source.object.checksum?.algorithm : parseAlgorithm(requested);
  const condition = beginConditionalWrite(call.info.parameters, bucket, key);
  const letGo = service.hold(source.object.extents);
  try {
    const { md5, checksum } = await digestRange(service, source.object, 0, source.object.size, algorithm);
    const object: ObjectRecord = {
      ...attributes,
      key,
      size: source.object.size,
      etag: etagOf(md5, attributes),
      lastModified: service.now(),
      extents: source.object.extents,
      ...(algorithm && checksum ? { checksum: { algorithm, type: "FULL_OBJECT", value: checksum } } : {}),
    };
    service.bucket(call);
    condition.check();
    service.commit({ type: "objectPut", bucket: bucket.name, object }, call);
    return xmlReply(
      "CopyObjectResult",
      resultNodes(object.etag, object.lastModified, algorithm, checksum, true),
      attributes.encryption,
    );
  } finally {
    condition.release();
    letGo();
  }
};

function resultNodes(
  etag: string,
  lastModified: number,
  algorithm: ChecksumAlgorithm | undefined,
  checksum: string | undefined,
  withType: boolean,
): XmlNode[] {
  return [
    ["ETag", quote(etag)],
    ["LastModified", new Date(lastModified).toISOString()],
    ...(algorithm && checksum ? ([[checksumElement(algorithm), checksum]] as XmlNode[]) : []),
    ["ChecksumType", withType && algorithm ? "FULL_OBJECT" : undefined],
  ];
}

function sourceRange(header: string | undefined, size: number): { start: number; end: number } {
  if (header === undefined) return { start: 0, end: size };
  const match = /^bytes=(\d+)-(\d+)$/.exec(header);
  const [start, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || last < start) {
    throw new S3Error("InvalidArgument", {
      message:
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
    });
  }
  if (last >= size)
    throw new S3Error("InvalidArgument", {
      message: `Range specified is not valid for source object of size: ${size}`,
    });
  return { start, end: last + 1 };
}

export const uploadPartCopy: Operation = async (service, call) => {
  const partNumber = partNumberOf(call);
  const { record: upload } = findUpload(service.bucket(call), call);
  const source = findSource(service, call);
  const { start, end } = sourceRange(call.header("x-amz-copy-source-range"), source.object.size);
  const letGo = service.hold(source.object.extents);
  try {
    const { md5, checksum } = await digestRange(service, source.object, start, end, upload.checksumAlgorithm);
    const part: PartRecord = {
      partNumber,
      size: end - start,
      etag: etagOf(md5, upload),
      lastModified: service.now(),
      extents: slices(source.object.extents, start, end),
      ...(upload.checksumAlgorithm && checksum ? { checksum, checksumAlgorithm: upload.checksumAlgorithm } : {}),
    };
    commitPart(service, call, part);
    const nodes = resultNodes(part.etag, part.lastModified, upload.checksumAlgorithm, checksum, false);
    return xmlReply("CopyPartResult", nodes, upload.encryption);
  } finally {
    letGo();
  }
};
