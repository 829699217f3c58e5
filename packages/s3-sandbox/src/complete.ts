import { createHash } from "node:crypto";
import { type Bucket, COMPLETION_MEMORY_MS, type OpenUpload } from "./catalog.ts";
import { type Checksum, checksumElement, combinedChecksum, compositeChecksum, declaredChecksum } from "./checksums.ts";
import { beginConditionalWrite } from "./conditions.ts";
import { S3Error } from "./errors.ts";
import { findUpload } from "./multipart.ts";
import { quote } from "./objects.ts";
import type { Completion, ObjectRecord, PartRecord, UploadRecord } from "./records.ts";
import { type Reply, xmlReply } from "./reply.ts";
import { type Call, type Operation, objectKey, type Service } from "./service.ts";
import { childText, parseXml, type XmlElement, type XmlNode } from "./xml.ts";

interface ListedPart {
  partNumber: number;
  etag: string;
  element: XmlElement;
}

function readPart(element: XmlElement): ListedPart {
  const number = childText(element, "PartNumber") ?? "";
  const etag = childText(element, "ETag");
  if (element.name !== "Part" || !/^\d{1,6}$/.test(number) || etag === undefined) throw new S3Error("MalformedXML");
  return { partNumber: Number(number), etag: etag.replace(/^"(.*)"$/, "$1"), element };
}

/** The part list of a request: at least one part, ascending by number. */
function readParts(document: string): ListedPart[] {
  const root = parseXml(document);
  if (root.name !== "CompleteMultipartUpload") throw new S3Error("MalformedXML");
  const parts = root.children.map(readPart);
  if (parts.length === 0 || parts.length > 10_000) throw new S3Error("MalformedXML");
  for (let at = 1; at < parts.length; at++) {
    if ((parts[at] as ListedPart).partNumber <= (parts[at - 1] as ListedPart).partNumber)
      throw new S3Error("InvalidPartOrder");
  }
  return parts;
}

/**
 * A part's checksum must be listed as it was uploaded. Leaving it out is allowed only in full-object uploads;
 * in uploads created without an algorithm S3 then answers InvalidPart (aws/aws-sdk-java-v2 issue 6518).
 */
function checkPartChecksum(upload: UploadRecord, listed: ListedPart, stored: PartRecord): void {
  const algorithm = stored.checksumAlgorithm;
  if (!algorithm) return;
  const given = childText(listed.element, checksumElement(algorithm));
  if (given === undefined && upload.checksumType === "COMPOSITE") {
    throw new S3Error("InvalidRequest", {
      message: `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${listed.partNumber} in the request.`,
    });
  }
  if (given === undefined && upload.checksumType === "FULL_OBJECT") return;
  if (given !== stored.checksum) throw invalidPart(upload, listed);
}

function invalidPart(upload: UploadRecord, listed: ListedPart): S3Error {
  return new S3Error("InvalidPart", {
    details: { UploadId: upload.uploadId, PartNumber: String(listed.partNumber), ETag: listed.etag },
  });
}

/** The stored parts a request lists, all checked against what was uploaded. */
function selectParts(upload: OpenUpload, listed: readonly ListedPart[], minPartSize: number): PartRecord[] {
  return listed.map((entry, index) => {
    const stored = upload.parts.get(entry.partNumber);
    if (!stored || stored.etag !== entry.etag) throw invalidPart(upload.record, entry);
    checkPartChecksum(upload.record, entry, stored);
    if (index < listed.length - 1 && stored.size < minPartSize) {
      throw new S3Error("EntityTooSmall", {
        details: {
          ProposedSize: String(stored.size),
          MinSizeAllowed: String(minPartSize),
          PartNumber: String(entry.partNumber),
          ETag: entry.etag,
        },
      });
    }
    return stored;
  });
}

function objectChecksum(upload: UploadRecord, parts: readonly PartRecord[]): Checksum | undefined {
  const { checksumAlgorithm: algorithm, checksumType: type } = upload;
  if (!algorithm || !type) return undefined;
  const value =
    type === "COMPOSITE"
      ? compositeChecksum(
          algorithm,
          parts.map((part) => part.checksum as string),
        )
      : combinedChecksum(
          algorithm,
          parts.map((part) => ({ value: part.checksum as string, length: part.size })),
        );
  return { algorithm, type, value };
}

function checkWholeObject(call: Call, upload: UploadRecord, checksum: Checksum | undefined, size: number): void {
  const expectedSize = call.header("x-amz-mp-object-size");
  if (expectedSize !== undefined && expectedSize !== String(size)) {
    throw new S3Error("InvalidRequest", {
      message: `The provided 'x-amz-mp-object-size' header value ${expectedSize} does not match what was computed: ${size}`,
    });
  }
  const type = call.header("x-amz-checksum-type");
  if (type !== undefined && type !== (upload.checksumType ?? "FULL_OBJECT")) {
    throw new S3Error("InvalidRequest", {
      message: `The upload was created using the ${upload.checksumType ?? "FULL_OBJECT"} checksum mode. The complete request must use the same checksum mode.`,
    });
  }
  const declared = declaredChecksum(call.info.parameters);
  if (!declared) return;
  if (declared.algorithm !== checksum?.algorithm) {
    throw new S3Error("InvalidRequest", {
      message: `Checksum Type mismatch occurred, expected checksum Type: ${checksum?.algorithm.toLowerCase() ?? "null"}, actual checksum Type: ${declared.algorithm.toLowerCase()}`,
    });
  }
  if (declared.value.replace(/-\d+$/, "") !== checksum.value.replace(/-\d+$/, "")) {
    throw new S3Error("BadDigest", {
      message: `The ${declared.algorithm} you specified did not match the calculated checksum of the object.`,
    });
  }
}

function assemble(service: Service, upload: UploadRecord, parts: readonly PartRecord[]): ObjectRecord {
  const md5 = createHash("md5");
  for (const part of parts) md5.update(Buffer.from(part.etag, "hex"));
  const checksum = objectChecksum(upload, parts);
  const { headers, metadata, tags, storageClass, encryption } = upload;
  return {
    headers,
    metadata,
    tags,
    storageClass,
    encryption,
    key: upload.key,
    size: parts.reduce((sum, part) => sum + part.size, 0),
    etag: `${md5.digest("hex")}-${parts.length}`,
    lastModified: service.now(),
    extents: parts.flatMap((part) => part.extents),
    parts: parts.map(({ size, checksum: value }) => ({ size, ...(value ? { checksum: value } : {}) })),
    ...(checksum ? { checksum } : {}),
  };
}

function describeParts(parts: readonly ListedPart[]): string {
  return createHash("sha256")
    .update(parts.map(({ partNumber, etag }) => `${partNumber}:${etag}`).join("\n"))
    .digest("hex");
}

function completedReply(call: Call, bucket: Bucket, completion: Completion, headers: Record<string, string>): Reply {
  const { checksum } = completion;
  const nodes: XmlNode[] = [
    ["Location", `http://${call.header("host") ?? "localhost"}/${bucket.name}/${encodeURI(completion.key)}`],
    ["Bucket", bucket.name],
    ["Key", completion.key],
    ["ETag", quote(completion.etag)],
  ];
  if (checksum) nodes.push([checksumElement(checksum.algorithm), checksum.value], ["ChecksumType", checksum.type]);
  return xmlReply("CompleteMultipartUploadResult", nodes, headers);
}

/** The answer to a Complete that was already carried out with the same parts, or undefined. */
function repeatedReply(service: Service, call: Call, bucket: Bucket, parts: string): Reply | undefined {
  const completion = bucket.completions.get(call.info.uploadId as string);
  if (!completion || completion.key !== call.info.key || completion.parts !== parts) return undefined;
  if (service.settings.clock().getTime() - completion.at > COMPLETION_MEMORY_MS) return undefined;
  return completedReply(call, bucket, completion, {});
}

export const completeMultipartUpload: Operation = async (service, call) => {
  const bucket = service.bucket(call);
  const key = objectKey(call);
  const condition = beginConditionalWrite(call.info.parameters, bucket, key);
  try {
    const listed = readParts((await call.body.text()).text);
    const parts = describeParts(listed);
    const repeated = repeatedReply(service, call, service.bucket(call), parts);
    if (repeated) return repeated;
    const upload = findUpload(service.bucket(call), call);
    const object = assemble(service, upload.record, selectParts(upload, listed, service.settings.minPartSize));
    checkWholeObject(call, upload.record, object.checksum, object.size);
    condition.check();
    const completion: Completion = {
      uploadId: upload.record.uploadId,
      key,
      etag: object.etag,
      parts,
      at: service.settings.clock().getTime(),
      ...(object.checksum ? { checksum: object.checksum } : {}),
    };
    service.commit({ type: "uploadCompleted", bucket: bucket.name, object, completion }, call);
    return completedReply(call, bucket, completion, upload.record.encryption);
  } finally {
    condition.release();
  }
};
