/** The S3 operations that the sandbox serves, by their API names. */
export const OPERATIONS = [
  "ListBuckets",
  "CreateBucket",
  "HeadBucket",
  "DeleteBucket",
  "GetBucketLocation",
  "ListObjects",
  "ListObjectsV2",
  "ListMultipartUploads",
  "PutObject",
  "GetObject",
  "HeadObject",
  "CopyObject",
  "DeleteObject",
  "DeleteObjects",
  "GetObjectTagging",
  "PutObjectTagging",
  "DeleteObjectTagging",
  "CreateMultipartUpload",
  "UploadPart",
  "UploadPartCopy",
  "ListParts",
  "CompleteMultipartUpload",
  "AbortMultipartUpload",
] as const;

/** The operations of S3 that the sandbox knows. */
export type OperationName = (typeof OPERATIONS)[number];
