import { S3Error } from "./errors.ts";
import type { OperationName } from "./operations.ts";

/** Query parameters that select a resource of their own; any other parameter only modifies an operation. */
const SUB_RESOURCES = [
  "abac",
  "accelerate",
  "acl",
  "analytics",
  "append",
  "attributes",
  "cors",
  "delete",
  "encryption",
  "intelligent-tiering",
  "inventory",
  "legal-hold",
  "lifecycle",
  "location",
  "logging",
  "metadataConfiguration",
  "metadataTable",
  "metrics",
  "notification",
  "object-lock",
  "ownershipControls",
  "policy",
  "policyStatus",
  "publicAccessBlock",
  "renameObject",
  "replication",
  "requestPayment",
  "restore",
  "retention",
  "select",
  "session",
  "tagging",
  "torrent",
  "uploadId",
  "uploads",
  "versioning",
  "versions",
  "website",
] as const;

export interface RouteInput {
  method: string;
  bucket: string | undefined;
  key: string | undefined;
  query: ReadonlyMap<string, string>;
  /** Whether the request names a copy source. */
  copies: boolean;
}

const BUCKET_ROUTES: Record<string, OperationName> = {
  "PUT ": "CreateBucket",
  "HEAD ": "HeadBucket",
  "DELETE ": "DeleteBucket",
  "GET location": "GetBucketLocation",
  "GET uploads": "ListMultipartUploads",
  "POST delete": "DeleteObjects",
};

const OBJECT_ROUTES: Record<string, OperationName> = {
  "GET ": "GetObject",
  "HEAD ": "HeadObject",
  "DELETE ": "DeleteObject",
  "GET tagging": "GetObjectTagging",
  "PUT tagging": "PutObjectTagging",
  "DELETE tagging": "DeleteObjectTagging",
  "POST uploads": "CreateMultipartUpload",
  "GET uploadId": "ListParts",
  "POST uploadId": "CompleteMultipartUpload",
  "DELETE uploadId": "AbortMultipartUpload",
};

/**
 * The operation that a request asks for.
 * @throws S3Error NotImplemented naming the sub-resource, or MethodNotAllowed
 */
export function route({ method, bucket, key, query, copies }: RouteInput): OperationName {
  if (bucket === undefined) {
    if (method === "GET") return "ListBuckets";
    throw new S3Error("MethodNotAllowed", { details: { Method: method, ResourceType: "SERVICE" } });
  }
  const sub = SUB_RESOURCES.find((name) => query.has(name)) ?? "";
  if (key === undefined) {
    if (method === "GET" && sub === "") return query.get("list-type") === "2" ? "ListObjectsV2" : "ListObjects";
    return BUCKET_ROUTES[`${method} ${sub}`] ?? unsupported(method, sub, "BUCKET");
  }
  if (method === "PUT" && sub === "") return copies ? "CopyObject" : "PutObject";
  if (method === "PUT" && sub === "uploadId") return copies ? "UploadPartCopy" : "UploadPart";
  return OBJECT_ROUTES[`${method} ${sub}`] ?? unsupported(method, sub, "OBJECT");
}

function unsupported(method: string, subResource: string, resourceType: string): never {
  if (subResource === "") {
    throw new S3Error("MethodNotAllowed", { details: { Method: method, ResourceType: resourceType } });
  }
  throw new S3Error("NotImplemented", {
    message: `The sandbox does not implement ${method} with the sub-resource "?${subResource}".`,
    details: { Header: subResource, ResourceType: resourceType },
  });
}
