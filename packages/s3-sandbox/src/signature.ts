import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { canonicalRequest, type SignedRequest } from "./canonical.ts";
import { S3Error } from "./errors.ts";

/** A static key pair; with a session token, requests must carry exactly that token. */
export interface SandboxCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** How the body is authenticated. Source: "Signature Version 4: x-amz-content-sha256 values". */
export type PayloadMode =
  | { kind: "hash"; sha256: string }
  | { kind: "unsigned" }
  | { kind: "chunked"; signed: boolean; trailer: boolean };

/** What chunk signatures are chained to. */
export interface ChunkSigner {
  /** Signature of the next data chunk, given the hex SHA-256 of its bytes. */
  chunk(sha256: string): string;
  /** Signature of the trailer, given the hex SHA-256 of its canonical lines. */
  trailer(sha256: string): string;
}

export interface Authentication {
  payload: PayloadMode;
  chunkSigner: ChunkSigner;
}

export interface Verifier {
  credentials: SandboxCredentials;
  region: string;
  clock: () => Date;
}

const EMPTY_SHA256 = createHash("sha256").digest("hex");
const MAX_SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600;

interface Claim {
  accessKeyId: string;
  date: string;
  scopeRegion: string;
  scope: string;
  signedHeaders: string[];
  signature: string;
  timestamp: string;
  signedAt: Date;
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}

function hmac(key: KeyObject | string, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

const keyCache = new Map<string, KeyObject>();

/** The signing key of a day, region and secret: the same for a day, so it is kept. */
function signingKey(secret: string, date: string, region: string): KeyObject {
  const id = `${date}/${region}/${secret}`;
  const cached = keyCache.get(id);
  if (cached) return cached;
  let key = hmac(`AWS4${secret}`, date);
  for (const step of [region, "s3", "aws4_request"]) key = hmac(createSecretKey(key), step);
  const result = createSecretKey(key);
  if (keyCache.size > 64) keyCache.clear();
  keyCache.set(id, result);
  return result;
}

function parseTimestamp(value: string | undefined, code: "AccessDenied" | "AuthorizationQueryParametersError"): Date {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(value ?? "");
  if (!match) {
    throw new S3Error(code, { message: "AWS authentication requires a valid Date or x-amz-date header" });
  }
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second));
}

function claimFrom(
  credential: string,
  signedHeaders: string,
  signature: string,
  timestamp: string | undefined,
  code: "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError",
): Claim {
  const scopeParts = credential.split("/");
  const [date, scopeRegion, service, terminator] = scopeParts.slice(-4);
  const accessKeyId = scopeParts.slice(0, -4).join("/");
  if (!accessKeyId || !date || !scopeRegion || terminator !== "aws4_request") {
    throw new S3Error(code, {
      message: `The credential "${credential}" is malformed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`,
    });
  }
  if (service !== "s3")
    throw new S3Error(code, { message: `The service "${service}" in the credential scope is wrong; expecting "s3".` });
  const signedAt = parseTimestamp(timestamp, code === "AuthorizationHeaderMalformed" ? "AccessDenied" : code);
  if (!(timestamp as string).startsWith(date)) {
    throw new S3Error(code, {
      message: `The credential date "${date}" does not match the request date "${timestamp}".`,
    });
  }
  return {
    accessKeyId,
    date,
    scopeRegion,
    scope: `${date}/${scopeRegion}/s3/aws4_request`,
    signedHeaders: signedHeaders.toLowerCase().split(";"),
    signature,
    timestamp: timestamp as string,
    signedAt,
  };
}

function headerClaim(request: SignedRequest, authorization: string): Claim {
  if (!authorization.startsWith("AWS4-HMAC-SHA256")) {
    throw new S3Error("InvalidRequest", {
      message: "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    });
  }
  const fields = new Map<string, string>();
  for (const field of authorization.slice("AWS4-HMAC-SHA256".length).split(",")) {
    const at = field.indexOf("=");
    if (at > 0) fields.set(field.slice(0, at).trim(), field.slice(at + 1).trim());
  }
  const [credential, signedHeaders, signature] = ["Credential", "SignedHeaders", "Signature"].map((name) =>
    fields.get(name),
  );
  if (!credential || !signedHeaders || !signature) {
    throw new S3Error("AuthorizationHeaderMalformed", {
      message: "The authorization header is malformed; Credential, SignedHeaders and Signature are required.",
    });
  }
  const timestamp = request.headers.get("x-amz-date") ?? basicFormat(request.headers.get("date"));
  return claimFrom(credential, signedHeaders, signature, timestamp, "AuthorizationHeaderMalformed");
}

/** An HTTP date in the basic ISO format that the string to sign uses. */
function basicFormat(httpDate: string | undefined): string | undefined {
  const time = Date.parse(httpDate ?? "");
  return Number.isNaN(time) ? undefined : `${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

function queryClaim(request: SignedRequest): Claim & { expires: number } {
  const field = (name: string): string => {
    const value = request.query.get(name);
    if (value === undefined) {
      throw new S3Error("AuthorizationQueryParametersError", {
        message:
          "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
      });
    }
    return value;
  };
  if (field("X-Amz-Algorithm") !== "AWS4-HMAC-SHA256") {
    throw new S3Error("AuthorizationQueryParametersError", {
      message: 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"',
    });
  }
  const expires = Number(field("X-Amz-Expires"));
  if (!Number.isInteger(expires) || expires < 1 || expires > MAX_EXPIRES_SECONDS) {
    throw new S3Error("AuthorizationQueryParametersError", {
      message: `X-Amz-Expires must be between 1 and ${MAX_EXPIRES_SECONDS} (in seconds)`,
    });
  }
  const claim = claimFrom(
    field("X-Amz-Credential"),
    field("X-Amz-SignedHeaders"),
    field("X-Amz-Signature"),
    field("X-Amz-Date"),
    "AuthorizationQueryParametersError",
  );
  return { ...claim, expires };
}

function parsePayload(value: string): PayloadMode {
  if (/^[0-9a-f]{64}$/.test(value)) return { kind: "hash", sha256: value };
  switch (value) {
    case "UNSIGNED-PAYLOAD":
      return { kind: "unsigned" };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
      return { kind: "chunked", signed: true, trailer: false };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
      return { kind: "chunked", signed: true, trailer: true };
    case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
      return { kind: "chunked", signed: false, trailer: true };
  }
  throw new S3Error("InvalidArgument", {
    message:
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
    details: { ArgumentName: "x-amz-content-sha256", ArgumentValue: value },
  });
}

function checkTime(claim: Claim, expires: number | undefined, now: Date): void {
  const age = now.getTime() - claim.signedAt.getTime();
  if (expires !== undefined && age > expires * 1000) {
    throw new S3Error("AccessDenied", {
      message: "Request has expired",
      details: { "X-Amz-Expires": String(expires), ServerTime: now.toISOString() },
    });
  }
  if (expires === undefined ? Math.abs(age) > MAX_SKEW_MS : age < -MAX_SKEW_MS) {
    throw new S3Error("RequestTimeTooSkewed", {
      details: {
        RequestTime: claim.timestamp,
        ServerTime: now.toISOString(),
        MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
      },
    });
  }
}

/** Every `x-amz-` header and Host must be under the signature, or a proxy could add them. */
function checkSignedHeaders(request: SignedRequest, signed: readonly string[]): void {
  const unsigned = [...request.headers.keys()].filter(
    (name) => (name === "host" || name.startsWith("x-amz-")) && !signed.includes(name),
  );
  if (unsigned.length > 0) {
    throw new S3Error("AccessDenied", {
      message: "There were headers present in the request which were not signed",
      details: { HeadersNotSigned: unsigned.join(", ") },
    });
  }
}

function checkIdentity(verifier: Verifier, claim: Claim, token: string | undefined, presigned: boolean): void {
  const { accessKeyId, sessionToken } = verifier.credentials;
  if (claim.accessKeyId !== accessKeyId) {
    throw new S3Error("InvalidAccessKeyId", { details: { AWSAccessKeyId: claim.accessKeyId } });
  }
  if (sessionToken !== undefined && token !== sessionToken) throw new S3Error("InvalidToken");
  if (claim.scopeRegion !== verifier.region) {
    throw new S3Error(presigned ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed", {
      message: `The authorization is malformed; the region '${claim.scopeRegion}' is wrong; expecting '${verifier.region}'`,
      details: { Region: verifier.region },
    });
  }
}

/** The claim a request makes, by whichever of the two mechanisms it uses; using both or none is refused. */
function readClaim(request: SignedRequest): { claim: Claim; expires: number | undefined; presigned: boolean } {
  const authorization = request.headers.get("authorization");
  const presigned = request.query.has("X-Amz-Signature") || request.query.has("X-Amz-Algorithm");
  if (authorization === undefined && !presigned) throw new S3Error("AccessDenied");
  if (authorization === undefined) {
    const claim = queryClaim(request);
    return { claim, expires: claim.expires, presigned };
  }
  if (!presigned) return { claim: headerClaim(request, authorization), expires: undefined, presigned };
  throw new S3Error("InvalidArgument", {
    message:
      "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified",
  });
}

/** The `x-amz-content-sha256` value that the signature covers. */
function payloadHashOf(request: SignedRequest, presigned: boolean): string {
  const declared = request.headers.get("x-amz-content-sha256") ?? request.query.get("X-Amz-Content-Sha256");
  if (declared !== undefined) return declared;
  if (presigned) return "UNSIGNED-PAYLOAD";
  throw new S3Error("InvalidRequest", { message: "Missing required header for this request: x-amz-content-sha256" });
}

function checkSignature(request: SignedRequest, claim: Claim, payloadHash: string, key: KeyObject): void {
  const canonical = canonicalRequest(request, claim.signedHeaders, payloadHash);
  const stringToSign = `AWS4-HMAC-SHA256\n${claim.timestamp}\n${claim.scope}\n${sha256(canonical)}`;
  if (hmac(key, stringToSign).toString("hex") === claim.signature) return;
  throw new S3Error("SignatureDoesNotMatch", {
    details: {
      AWSAccessKeyId: claim.accessKeyId,
      StringToSign: stringToSign,
      SignatureProvided: claim.signature,
      CanonicalRequest: canonical,
    },
  });
}

/**
 * Verifies the Signature Version 4 of a request, in its Authorization header or its presigned query.
 * The body is not touched: the result says how it has to be checked.
 *
 * @throws S3Error with the code S3 gives for a missing, malformed, expired or wrong signature
 */
export function authenticate(request: SignedRequest, verifier: Verifier): Authentication {
  const { claim, expires, presigned } = readClaim(request);
  const payloadHash = payloadHashOf(request, presigned);
  const token = presigned ? request.query.get("X-Amz-Security-Token") : request.headers.get("x-amz-security-token");
  checkIdentity(verifier, claim, token, presigned);
  checkTime(claim, expires, verifier.clock());
  checkSignedHeaders(request, claim.signedHeaders);
  const payload = parsePayload(payloadHash);
  const key = signingKey(verifier.credentials.secretAccessKey, claim.date, claim.scopeRegion);
  checkSignature(request, claim, payloadHash, key);
  return { payload, chunkSigner: createChunkSigner(key, claim) };
}

function createChunkSigner(key: KeyObject, claim: Claim): ChunkSigner {
  let previous = claim.signature;
  const sign = (kind: string, rest: string): string => {
    const text = `AWS4-HMAC-SHA256-${kind}\n${claim.timestamp}\n${claim.scope}\n${previous}\n${rest}`;
    previous = hmac(key, text).toString("hex");
    return previous;
  };
  return {
    chunk: (hash) => sign("PAYLOAD", `${EMPTY_SHA256}\n${hash}`),
    trailer: (hash) => sign("TRAILER", hash),
  };
}
