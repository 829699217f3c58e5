import { S3Error } from "./errors.ts";
import type { RequestInfo } from "./request.ts";

/** Where a server that speaks S3's language falls short of S3. What is left out is as in S3. */
export interface Dialect {
  /**
   * `composite`: checksums of objects in parts are always COMPOSITE, whatever type was asked for. `ignored`: whatever is
   * said about checksums is not read; Content-MD5 still is. `refused`: it is answered with 501 NotImplemented.
   */
  checksums?: "composite" | "ignored" | "refused";
  /** `If-Match` and `If-None-Match` on PutObject, CompleteMultipartUpload and DeleteObject. */
  conditionalWrites?: "ignored" | "refused";
  /** `x-amz-mp-object-size` on CompleteMultipartUpload. */
  objectSize?: "ignored";
  /** User metadata: not kept. */
  metadata?: "ignored";
}

const WRITES: ReadonlySet<string> = new Set(["PutObject", "CompleteMultipartUpload", "DeleteObject"]);
const CONDITIONS: ReadonlySet<string> = new Set(["if-match", "if-none-match"]);

/**
 * The request as such a server reads it.
 * @throws S3Error NotImplemented
 */
export function understood(info: RequestInfo, dialect: Dialect): RequestInfo {
  const kept = [...info.parameters].filter(([name]) => {
    const reading = readingOf(name, info, dialect);
    if (reading === "refused") throw new S3Error("NotImplemented", { details: { Header: name } });
    return reading === undefined;
  });
  return kept.length === info.parameters.size ? info : { ...info, parameters: new Map(kept) };
}

function readingOf(name: string, { operation }: RequestInfo, dialect: Dialect): "ignored" | "refused" | undefined {
  if (CONDITIONS.has(name)) return WRITES.has(operation) ? dialect.conditionalWrites : undefined;
  if (name === "x-amz-mp-object-size") return dialect.objectSize;
  if (name.startsWith("x-amz-meta-")) return dialect.metadata;
  const isType = name === "x-amz-checksum-type";
  if (!name.startsWith("x-amz-checksum-") && name !== "x-amz-sdk-checksum-algorithm" && name !== "x-amz-trailer")
    return undefined;
  if (dialect.checksums !== "composite") return dialect.checksums;
  // The checksum of the whole, which Complete may carry, is none of the kind that is kept.
  return isType || (operation === "CompleteMultipartUpload" && name !== "x-amz-checksum-mode") ? "ignored" : undefined;
}
