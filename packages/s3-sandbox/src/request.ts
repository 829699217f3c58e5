import type { IncomingMessage } from "node:http";
import { parseQuery, type SignedRequest } from "./canonical.ts";
import { S3Error } from "./errors.ts";
import type { OperationName } from "./operations.ts";
import { route } from "./router.ts";

/** A request's head, taken apart. */
export interface RequestInfo extends SignedRequest {
  bucket: string | undefined;
  key: string | undefined;
  /** Headers, plus the `x-amz-` parameters that a presigned URL carries in its query in their place. */
  parameters: ReadonlyMap<string, string>;
  uploadId: string | undefined;
  partNumber: number | undefined;
  operation: OperationName | "Unknown";
  /** Why there is no operation. */
  refusal: S3Error | undefined;
}

const SIGNING_PARAMETERS = new Set(
  ["algorithm", "credential", "date", "expires", "signedheaders", "signature", "security-token", "content-sha256"].map(
    (name) => `x-amz-${name}`,
  ),
);

function collectHeaders(rawHeaders: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    const value = rawHeaders[at + 1] as string;
    const previous = headers.get(name);
    headers.set(name, previous === undefined ? value : `${previous},${value}`);
  }
  return headers;
}

/** The bucket in a virtual-host style Host such as `photos.localhost:9000`, or undefined for path style. */
function bucketOfHost(host: string): string | undefined {
  const name = host.replace(/:\d*$/, "").toLowerCase();
  return name.endsWith(".localhost") ? name.slice(0, -".localhost".length) : undefined;
}

function splitTarget(target: string): { rawPath: string; rawQuery: string } {
  const local = target.replace(/^https?:\/\/[^/?]*/i, "");
  const at = local.indexOf("?");
  const rawPath = at < 0 ? local : local.slice(0, at);
  return { rawPath: rawPath === "" ? "/" : rawPath, rawQuery: at < 0 ? "" : local.slice(at + 1) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error("InvalidURI");
  }
}

function locate(
  rawPath: string,
  hostBucket: string | undefined,
): { bucket: string | undefined; key: string | undefined } {
  const path = rawPath.slice(1);
  if (hostBucket !== undefined) return { bucket: hostBucket, key: path === "" ? undefined : decode(path) };
  const slash = path.indexOf("/");
  const bucket = slash < 0 ? path : path.slice(0, slash);
  const key = slash < 0 ? "" : path.slice(slash + 1);
  return { bucket: bucket === "" ? undefined : decode(bucket), key: key === "" ? undefined : decode(key) };
}

/** Headers with the `x-amz-` query parameters of a presigned URL added where the header is absent. */
function mergeParameters(
  headers: ReadonlyMap<string, string>,
  query: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  if (!query.has("X-Amz-Signature")) return headers;
  const merged = new Map(headers);
  for (const [name, value] of query) {
    const lower = name.toLowerCase();
    if (lower.startsWith("x-amz-") && !SIGNING_PARAMETERS.has(lower) && !merged.has(lower)) merged.set(lower, value);
  }
  return merged;
}

function readQuery(rawQuery: string): Map<string, string> {
  try {
    return new Map(parseQuery(rawQuery));
  } catch {
    throw new S3Error("InvalidURI");
  }
}

/** Takes a request's head apart. Throws only InvalidURI; anything else wrong with it becomes `refusal`. */
export function parseRequest(message: IncomingMessage): RequestInfo {
  const method = message.method ?? "GET";
  const headers = collectHeaders(message.rawHeaders);
  const { rawPath, rawQuery } = splitTarget(message.url ?? "/");
  const query = readQuery(rawQuery);
  const { bucket, key } = locate(rawPath, bucketOfHost(headers.get("host") ?? ""));
  const parameters = mergeParameters(headers, query);
  const partNumber = Number(query.get("partNumber"));
  let operation: OperationName | "Unknown" = "Unknown";
  let refusal: S3Error | undefined;
  try {
    operation = route({ method, bucket, key, query, copies: parameters.has("x-amz-copy-source") });
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    refusal = error;
  }
  return {
    method,
    rawPath,
    rawQuery,
    query,
    headers,
    parameters,
    bucket,
    key,
    operation,
    refusal,
    uploadId: query.get("uploadId"),
    partNumber: query.has("partNumber") && Number.isInteger(partNumber) ? partNumber : undefined,
  };
}
