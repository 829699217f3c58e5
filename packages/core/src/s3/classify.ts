import { type ObjectErrorKind, ObjectStoreError } from "../errors.ts";
import { isCredentialFailure } from "./credentials.ts";

/** The call that failed. */
export interface FailedCall {
  /** The port's method, such as `putObject`. */
  readonly operation: string;
  readonly bucket: string;
  readonly key?: string | undefined;
}

/** What is known of a failure, whatever shape the SDK gave it. */
interface Failure {
  /** The provider's, SDK's or operating system's code, such as `SlowDown`, `TimeoutError` or `ECONNRESET`. */
  readonly code: string;
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
  readonly requestId: string | undefined;
  /** The bucket's region, when the answer named it. */
  readonly region: string | undefined;
}

const WRITES: ReadonlySet<string> = new Set([
  "putObject",
  "putStream",
  "deleteObject",
  "createMultipart",
  "uploadPart",
  "completeMultipart",
  "abortMultipart",
]);

/**
 * What each code means, whatever status it comes with. Sources: S3 API reference "Error responses"; MinIO
 * `cmd/api-errors.go` for `SlowDownRead` and `SlowDownWrite`; the SDK's own names end in `Error`.
 *
 * - `RequestTimeout` (400): the body did not arrive in time. `RequestTimeTooSkewed`: the SDK corrects its clock offset
 *   from this very answer, so the next attempt can succeed.
 * - `InvalidPart`: what the store holds is not what we recorded; sending afresh mends it.
 * - `InvalidBucketName`: there can be no such bucket, so no file of the upload could succeed.
 */
const KIND_OF_CODE: ReadonlyMap<string, ObjectErrorKind> = new Map(
  Object.entries({
    throttled:
      "SlowDown SlowDownRead SlowDownWrite Throttling ThrottlingException ThrottledException RequestThrottled " +
      "RequestThrottledException RequestLimitExceeded TooManyRequests TooManyRequestsException BandwidthLimitExceeded",
    transient:
      "InternalError InternalFailure InternalServerError ServiceUnavailable RequestTimeout RequestTimeoutException " +
      "RequestTimeTooSkewed IncompleteBody TemporaryRedirect TimeoutError",
    bucketMissing: "NoSuchBucket InvalidBucketName",
    notFound: "NoSuchKey NoSuchUpload NoSuchVersion NotFound",
    denied: "AccessDenied AllAccessDisabled AccountProblem NotSignedUp InvalidPayer",
    credentials:
      "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken ExpiredTokenException TokenRefreshRequired InvalidToken " +
      "InvalidSecurity AuthorizationHeaderMalformed CredentialsProviderError TokenProviderError ProviderError " +
      "UnrecognizedClientException InvalidClientTokenId AuthFailure UnauthorizedException",
    wrongRegion: "PermanentRedirect Redirect IllegalLocationConstraint IllegalLocationConstraintException",
    integrity: "BadDigest InvalidDigest XAmzContentChecksumMismatch XAmzContentSHA256Mismatch InvalidPart",
    precondition: "PreconditionFailed",
    conflict: "ConditionalRequestConflict OperationAborted",
    unsupported: "NotImplemented MethodNotAllowed",
    rejected: "EndpointError",
  }).flatMap(([kind, codes]) => codes.split(" ").map((code) => [code, kind as ObjectErrorKind] as const)),
);

/** No connection came about, so nothing was sent. */
const NOT_CONNECTED: ReadonlySet<string> = new Set(
  (
    "ENOTFOUND EAI_AGAIN ECONNREFUSED EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN EADDRNOTAVAIL " + "CONNECT_TIMEOUT"
  ).split(" "),
);

/** Refused on this side before anything was sent: the request is unusable as it is. */
const UNUSABLE = /^(ERR_INVALID_|ERR_UNESCAPED_|ERR_HTTP_INVALID_)/;

/**
 * The server's certificate does not convince us, so nothing was sent. No fault of the file: the clock, the trust store or
 * a proxy is wrong for every request alike. Codes: Node.js documentation, "X509 certificate error codes".
 */
const UNTRUSTED = /^(ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

/** Asked with HEAD, whose answer has no body and so no code. */
const HEADS: ReadonlySet<string> = new Set(["headObject", "checkBucket"]);

/**
 * Turns whatever the SDK threw into the port's error. In this order:
 *
 * | what is known                                        | kind                      |
 * |------------------------------------------------------|---------------------------|
 * | thrown where the credentials are fetched             | credentials               |
 * | a code that names a region, or 301, 308              | wrongRegion               |
 * | 400 without a code, as to a HEAD (expired token)     | credentials               |
 * | 503 without a code, to a HEAD (SlowDown)             | throttled                 |
 * | NotFound of checkBucket                              | bucketMissing             |
 * | InvalidRequest about the object's size at Complete   | integrity                 |
 * | a code of the table above                            | as listed                 |
 * | 401 · 403 · 404 · 405, 501                           | credentials · denied · notFound · unsupported |
 * | 408 · 409 · 412 · 429                                | transient · conflict · precondition · throttled |
 * | other 4xx · other 3xx, 5xx, or 2xx that makes no sense | rejected · transient    |
 * | no answer: unusable request                          | rejected                  |
 * | no answer: region not configured                     | wrongRegion               |
 * | no answer: anything else (reset, timeout, DNS, TLS)  | transient                 |
 *
 * A write's failure is ambiguous when there was no answer although a connection may have stood, on 5xx but 501, and on an
 * answer of 200 with an error inside (which the SDK reports as 503). A throttled request was not carried out, except perhaps at
 * Complete, whose answer may begin with 200 before its outcome is known.
 *
 * Messages hold the provider's own sentence with credentials blotted out, and no header of the request. The SDK's error
 * is kept as `cause` only when it is not an answer: answers repeat signed headers, session token included.
 */
export function classify(error: unknown, call: FailedCall): ObjectStoreError {
  if (error instanceof ObjectStoreError) return error;
  const unfetched = isCredentialFailure(error);
  const failure = unfetched ? withoutAnswer(failureOf(error)) : failureOf(error);
  const kind = unfetched ? "credentials" : kindOf(failure, call);
  const unconnected = NOT_CONNECTED.has(failure.code) || UNTRUSTED.test(failure.code);
  const unsent = failure.status === undefined && (kind !== "transient" || unconnected);
  const refused =
    failure.status !== undefined && ((failure.status >= 300 && failure.status < 500) || failure.status === 501);
  const throttled = kind === "throttled" && call.operation !== "completeMultipart";
  return new ObjectStoreError(
    {
      ...call,
      kind,
      ambiguous: WRITES.has(call.operation) && !unsent && !refused && !throttled,
      status: failure.status,
      providerCode: failure.code,
      requestId: failure.requestId,
      retryAfterMs: retryAfterOf(failure.headers),
    },
    messageOf(failure, kind),
    failure.status === undefined && kind !== "credentials" ? { cause: error } : undefined,
  );
}

function kindOf(failure: Failure, call: FailedCall): ObjectErrorKind {
  const { code, status, region, message } = failure;
  const redirected = status === 301 || status === 308 || KIND_OF_CODE.get(code) === "wrongRegion";
  if (redirected || (status === 400 && region !== undefined)) return "wrongRegion";
  if (status === 400 && code === "Unknown") return "credentials";
  if (status === 503 && code === "Unknown" && HEADS.has(call.operation)) return "throttled";
  if (code === "NotFound" && call.operation === "checkBucket") return "bucketMissing";
  if (code === "InvalidRequest" && call.operation === "completeMultipart" && /object.?size/i.test(message))
    return "integrity";
  const kind = KIND_OF_CODE.get(code);
  // Only the store itself can say that something is not there.
  if (status === undefined && (kind === undefined || kind === "notFound")) return kindOfSilence(failure);
  return kind ?? kindOfStatus(status as number);
}

function kindOfStatus(status: number): ObjectErrorKind {
  const named: Readonly<Record<number, ObjectErrorKind>> = {
    401: "credentials",
    403: "denied",
    404: "notFound",
    405: "unsupported",
    408: "transient",
    409: "conflict",
    412: "precondition",
    429: "throttled",
    501: "unsupported",
  };
  return named[status] ?? (status >= 400 && status < 500 ? "rejected" : "transient");
}

function kindOfSilence({ code, message }: Failure): ObjectErrorKind {
  if (/^region is missing/i.test(message)) return "wrongRegion";
  return UNUSABLE.test(code) ? "rejected" : "transient";
}

function failureOf(error: unknown): Failure {
  const fields: Readonly<Record<string, unknown>> = typeof error === "object" && error !== null ? { ...error } : {};
  const own = error as
    | { name?: unknown; message?: unknown; $response?: unknown; $metadata?: unknown }
    | null
    | undefined;
  const response = record(own?.$response);
  const metadata = record(own?.$metadata);
  const headers = record(response.headers) as Record<string, string>;
  const status = number(metadata.httpStatusCode) ?? number(response.statusCode);
  const name = text(own?.name) ?? "Error";
  const systemCode = text(fields.code);
  const code = status === undefined && systemCode !== undefined && name !== "TimeoutError" ? systemCode : name;
  const region = text(fields.Region) ?? headers["x-amz-bucket-region"];
  return {
    code: code === "S3ServiceException" ? "Unknown" : code,
    status,
    headers,
    message: text(own?.message) ?? String(error),
    requestId: text(metadata.requestId),
    // A store also names its region where nothing is wrong with it; only these answers mean "look there".
    region: name === "AuthorizationHeaderMalformed" || status === 301 ? region : undefined,
  };
}

/** The answer was not the store's: its status, headers and request id would mislead. */
function withoutAnswer({ code, message }: Failure): Failure {
  const sentence = `the credentials could not be fetched: ${message}`;
  return { code, status: undefined, headers: {}, message: sentence, requestId: undefined, region: undefined };
}

function messageOf(failure: Failure, kind: ObjectErrorKind): string {
  const { code, status, requestId, region, message } = failure;
  const spoken = status !== undefined && (message === "" || message === "UnknownError" || message === "Unknown");
  const sentence = spoken ? "the store gave no reason" : redact(message).replace(/\.$/, "");
  const advice = kind === "wrongRegion" && region !== undefined ? ` The bucket is in ${region}.` : "";
  const facts = [
    code === "Unknown" ? undefined : code,
    status && `HTTP ${status}`,
    requestId && `request ${requestId}`,
  ];
  return `${sentence} (${facts.filter(Boolean).join(", ")}).${advice}`;
}

/** Some stores repeat parts of what they were sent. */
function redact(message: string): string {
  return message
    .slice(0, 500)
    .replace(/\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g, "…")
    .replace(
      /\b((?:x-amz-)?(?:signature|credential|security-token)|awsaccesskeyid|authorization)(["']?\s*[=:]\s*).*/gi,
      "$1$2…",
    )
    .replace(/\/\/[^/\s@]+@/g, "//…@");
}

/** RFC 9110, 10.2.3: seconds, or a date that is compared with the answer's own. */
function retryAfterOf(headers: Readonly<Record<string, string>>): number | undefined {
  const value = headers["retry-after"];
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const wait = Date.parse(value) - Date.parse(headers.date ?? "");
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
