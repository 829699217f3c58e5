import type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksums.ts";

/** A run of bytes inside a stored blob. An object is a list of them, so completing and copying move no data. */
export interface Extent {
  blob: string;
  offset: number;
  length: number;
}

/** What a client sets on an object and gets back: headers by lower-case name, user metadata without its prefix. */
export interface ObjectAttributes {
  headers: Record<string, string>;
  metadata: Record<string, string>;
  tags: Record<string, string>;
  storageClass: string;
  /** The server-side encryption headers to echo. */
  encryption: Record<string, string>;
}

export interface ObjectRecord extends ObjectAttributes {
  key: string;
  size: number;
  /** Without quotes. */
  etag: string;
  /** Milliseconds since the epoch, on a whole second. */
  lastModified: number;
  extents: Extent[];
  checksum?: Checksum;
  /** Size and base64 checksum of every part, in order, for objects made by a multipart upload. */
  parts?: { size: number; checksum?: string }[];
}

export interface PartRecord {
  partNumber: number;
  size: number;
  etag: string;
  lastModified: number;
  extents: Extent[];
  /** Base64 checksum in the upload's algorithm, or in the part's own when the upload has none. */
  checksum?: string;
  checksumAlgorithm?: ChecksumAlgorithm;
}

export interface UploadRecord extends ObjectAttributes {
  uploadId: string;
  key: string;
  initiated: number;
  checksumAlgorithm?: ChecksumAlgorithm;
  checksumType?: ChecksumType;
}

/** What is remembered of a completed upload, so that repeating the request gives the same answer. */
export interface Completion {
  uploadId: string;
  key: string;
  etag: string;
  checksum?: Checksum;
  /** Part numbers and ETags as completed. */
  parts: string;
  at: number;
}

/** The only ways the sandbox's contents change. Each is applied as a whole or not at all. */
export type Change =
  | { type: "bucketCreated"; bucket: string; at: number }
  | { type: "bucketDeleted"; bucket: string }
  | { type: "objectPut"; bucket: string; object: ObjectRecord }
  | { type: "objectTagged"; bucket: string; key: string; tags: Record<string, string> }
  | { type: "objectDeleted"; bucket: string; key: string }
  | { type: "uploadCreated"; bucket: string; upload: UploadRecord }
  | { type: "partPut"; bucket: string; uploadId: string; part: PartRecord }
  | { type: "uploadAborted"; bucket: string; uploadId: string }
  | { type: "uploadCompleted"; bucket: string; object: ObjectRecord; completion: Completion }
  | { type: "completionRemembered"; bucket: string; completion: Completion };
