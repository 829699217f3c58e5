import type { OpenUpload } from "./catalog.ts";
import { checksumElement } from "./checksums.ts";
import { S3Error } from "./errors.ts";
import { compareKeys } from "./keys.ts";
import { keyEncoder, pageLimit } from "./listing.ts";
import { findUpload } from "./multipart.ts";
import { quote } from "./objects.ts";
import type { PartRecord, UploadRecord } from "./records.ts";
import { xmlReply } from "./reply.ts";
import { type Call, type Operation, objectKey } from "./service.ts";
import type { XmlNode } from "./xml.ts";

function partNode(part: PartRecord): XmlNode {
  const checksum: XmlNode[] = part.checksumAlgorithm ? [[checksumElement(part.checksumAlgorithm), part.checksum]] : [];
  return [
    "Part",
    [
      ["PartNumber", part.partNumber],
      ["LastModified", new Date(part.lastModified).toISOString()],
      ["ETag", quote(part.etag)],
      ["Size", part.size],
      ...checksum,
    ],
  ];
}

function partMarker(call: Call): number {
  const text = call.info.query.get("part-number-marker") ?? "0";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new S3Error("InvalidArgument", {
    message: "Argument part-number-marker must be an integer between 0 and 2147483647",
    details: { ArgumentName: "part-number-marker", ArgumentValue: text },
  });
}

export const listParts: Operation = (service, call) => {
  const bucket = service.bucket(call);
  objectKey(call);
  const { record: upload, parts } = findUpload(bucket, call);
  const limit = pageLimit(call, "max-parts");
  const marker = partMarker(call);
  const { encode, type } = keyEncoder(call);
  const rest = [...parts.values()]
    .filter((part) => part.partNumber > marker)
    .sort((a, b) => a.partNumber - b.partNumber);
  const page = rest.slice(0, limit);
  const truncated = limit > 0 && rest.length > limit;
  const owner: readonly XmlNode[] = [["ID", service.settings.ownerId]];
  return xmlReply("ListPartsResult", [
    ["Bucket", bucket.name],
    ["EncodingType", type],
    ["Key", encode(upload.key)],
    ["UploadId", upload.uploadId],
    ["Initiator", owner],
    ["Owner", owner],
    ["StorageClass", upload.storageClass],
    ["ChecksumAlgorithm", upload.checksumAlgorithm],
    ["ChecksumType", upload.checksumType],
    ["PartNumberMarker", marker],
    // As in S3 it is always there, and 0 on an empty page: a client that ignores IsTruncated starts over for ever
    // (aws/aws-sdk-go-v2 pull 1100, awslabs/aws-sdk-rust issue 1143).
    ["NextPartNumberMarker", page[page.length - 1]?.partNumber ?? 0],
    ["MaxParts", limit],
    ["IsTruncated", truncated],
    ...page.map((part) => partNode(part)),
  ]);
};

type UploadEntry = { upload: UploadRecord } | { prefix: string };

/** Uploads by key, then by time of initiation, with those under a common prefix rolled up. */
function sortedEntries(uploads: Iterable<OpenUpload>, prefix: string, delimiter: string): UploadEntry[] {
  const records = [...uploads].map(({ record }) => record).filter(({ key }) => key.startsWith(prefix));
  records.sort((a, b) => compareKeys(a.key, b.key) || (a.uploadId < b.uploadId ? -1 : 1));
  const entries: UploadEntry[] = [];
  let rolled: string | undefined;
  for (const upload of records) {
    const end = delimiter === "" ? -1 : upload.key.indexOf(delimiter, prefix.length);
    const common = end < 0 ? undefined : upload.key.slice(0, end + delimiter.length);
    if (common === undefined) entries.push({ upload });
    else if (common !== rolled) entries.push({ prefix: common });
    rolled = common ?? rolled;
  }
  return entries;
}

/** Entries after the markers. Upload ids sort by time of initiation, so a marker holds even when its upload is gone. */
function entriesAfter(entries: UploadEntry[], keyMarker: string, uploadIdMarker: string): UploadEntry[] {
  if (keyMarker === "") return entries;
  return entries.filter((entry) => {
    if ("prefix" in entry) return compareKeys(entry.prefix, keyMarker) > 0;
    const order = compareKeys(entry.upload.key, keyMarker);
    return order > 0 || (order === 0 && uploadIdMarker !== "" && entry.upload.uploadId > uploadIdMarker);
  });
}

function uploadNode(upload: UploadRecord, encode: (key: string) => string, ownerId: string): XmlNode {
  return [
    "Upload",
    [
      ["Key", encode(upload.key)],
      ["UploadId", upload.uploadId],
      ["Initiator", [["ID", ownerId]]],
      ["Owner", [["ID", ownerId]]],
      ["StorageClass", upload.storageClass],
      ["Initiated", new Date(upload.initiated).toISOString()],
      ["ChecksumAlgorithm", upload.checksumAlgorithm],
      ["ChecksumType", upload.checksumType],
    ],
  ];
}

export const listMultipartUploads: Operation = (service, call) => {
  const bucket = service.bucket(call);
  const text = (name: string): string => call.info.query.get(name) ?? "";
  const limit = pageLimit(call, "max-uploads");
  const { encode, type } = keyEncoder(call);
  const [prefix, delimiter, keyMarker] = [text("prefix"), text("delimiter"), text("key-marker")];
  const rest = entriesAfter(
    sortedEntries(bucket.uploads.values(), prefix, delimiter),
    keyMarker,
    text("upload-id-marker"),
  );
  const page = rest.slice(0, limit);
  const truncated = limit > 0 && rest.length > limit;
  const last = page[page.length - 1];
  const next =
    !truncated || !last
      ? undefined
      : "upload" in last
        ? { key: last.upload.key, id: last.upload.uploadId }
        : { key: last.prefix, id: "" };
  return xmlReply("ListMultipartUploadsResult", [
    ["Bucket", bucket.name],
    ["KeyMarker", encode(keyMarker)],
    ["UploadIdMarker", text("upload-id-marker")],
    ["NextKeyMarker", next && encode(next.key)],
    ["NextUploadIdMarker", next?.id],
    ["Prefix", encode(prefix)],
    ["Delimiter", delimiter === "" ? undefined : encode(delimiter)],
    ["EncodingType", type],
    ["MaxUploads", limit],
    ["IsTruncated", truncated],
    ...page.flatMap((entry) => ("upload" in entry ? [uploadNode(entry.upload, encode, service.settings.ownerId)] : [])),
    ...page.flatMap((entry): XmlNode[] =>
      "prefix" in entry ? [["CommonPrefixes", [["Prefix", encode(entry.prefix)]]]] : [],
    ),
  ]);
};
