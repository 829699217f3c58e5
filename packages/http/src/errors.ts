import { BucketlineError, ERRORS, type ErrorCode } from "@bucketline/core";

/**
 * Codes of refusals that only HTTP knows; everything else has the code of the core's error. `docs/errors.md` is held
 * against it by a test. Codes are part of the public API: they are added, never renamed.
 */
export const HTTP_ERRORS = {
  INVALID_REQUEST: [
    400,
    "The request's parameters or body are not what the route takes. Correct what the detail names.",
  ],
  UNAUTHORIZED: [401, "The request has no valid credential. Send a token as Authorization: Bearer, or log in."],
  FORBIDDEN: [403, "The credential may read but not change anything. Use one with the scope admin."],
  HOST_NOT_ALLOWED: [403, "The request names a host this service does not answer for. Add it to allowedHosts."],
  ORIGIN_NOT_ALLOWED: [403, "A page of another origin sent the request with a session. Use the dashboard, or a token."],
  BUCKET_NOT_ALLOWED: [403, "This service does not upload to that bucket. Name one of its buckets."],
  ROOTS_REQUIRED: [403, "Clients may name no source folder. Configure the service's allowedRoots."],
  AUTH_REQUIRED: [
    403,
    "Without auth the service answers on this machine only. Configure auth to be reached from others.",
  ],
  WEBHOOK_NOT_FOUND: [404, "The service has no webhook of this name. List the webhooks to see their names."],
  ROUTE_NOT_FOUND: [404, "There is no such route. See /docs for those there are."],
  METHOD_NOT_ALLOWED: [405, "The route does not take this method. The header Allow names those it takes."],
  REQUEST_TIMEOUT: [408, "The request did not come to its end in time. Send it again."],
  IDEMPOTENCY_CONFLICT: [409, "The Idempotency-Key was used for another request. Use a new key for a new request."],
  PRECONDITION_FAILED: [
    412,
    "The upload has changed since it was read. Read it again and send its new ETag as If-Match.",
  ],
  BODY_TOO_LARGE: [413, "The body is larger than the service takes. Send less at once."],
  UNSUPPORTED_MEDIA_TYPE: [415, "The body must be JSON. Send it as application/json."],
  RATE_LIMITED: [429, "Too many requests. Wait as long as the header Retry-After says."],
  HEADERS_TOO_LARGE: [431, "The request's headers are larger than the service takes. Send shorter ones."],
  AUTH_UNAVAILABLE: [
    503,
    "The provider of the keys for JWTs does not answer, or the host's auth.authenticate has failed. Try again; the log says which.",
  ],
  TOO_MANY_STREAMS: [503, "As many event streams as allowed are open. Close one, or raise events.maxStreams."],
} as const satisfies Record<string, readonly [status: number, remedy: string]>;

/** Codes of problem documents that are the API's own; those of the core come besides. */
export type HttpErrorCode = keyof typeof HTTP_ERRORS;

/** What is wrong with one field of a request. */
export interface Violation {
  /** Such as `body.pattern` or `query.limit`. */
  readonly field: string;
  readonly message: string;
}

export interface HttpErrorOptions extends ErrorOptions {
  readonly violations?: readonly Violation[] | undefined;
  /** Sent with the answer. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A refusal that only HTTP knows. */
export class HttpError extends Error {
  readonly code: HttpErrorCode;
  readonly status: number;
  readonly violations: readonly Violation[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: HttpErrorCode, message: string, options?: HttpErrorOptions) {
    super(message, options);
    this.name = "HttpError";
    this.code = code;
    this.status = HTTP_ERRORS[code][0];
    this.violations = options?.violations;
    this.headers = options?.headers ?? {};
  }
}

/** Codes of the core by the HTTP status they are answered with; those that are not named are 500. */
const BY_STATUS: Readonly<Record<number, readonly ErrorCode[]>> = {
  403: ["SOURCE_NOT_ALLOWED"],
  404: ["UPLOAD_NOT_FOUND", "FILE_NOT_FOUND", "NOTICE_NOT_FOUND"],
  409: [
    "UPLOAD_EXISTS",
    "UPLOAD_CANCELLED",
    "UPLOAD_ELSEWHERE",
    "UPLOAD_OTHER_STORE",
    "UPLOAD_FAILED",
    "INVALID_TRANSITION",
    "SERVICE_STARTED",
  ],
  412: ["UPLOAD_CHANGED"],
  422: [
    "INVALID_OPTION",
    "PIPELINE_UNKNOWN",
    "INVALID_PATTERN",
    "PATTERN_TOO_EXPENSIVE",
    "INVALID_KEY_TEMPLATE",
    "KEY_TOO_LONG",
    "KEY_COLLISION",
    "SOURCE_NOT_FOUND",
    "SOURCE_NOT_A_FOLDER",
    "SOURCE_NOT_READABLE",
    "SOURCE_NOT_REGULAR",
    "SOURCE_OUTSIDE_ROOT",
    "SOURCE_NAME_NOT_UTF8",
    "SOURCE_CHANGED",
    "SOURCE_DOUBTFUL",
    "SOURCE_NOT_DISPOSED",
    "FILE_TOO_LARGE",
    "BUCKET_NOT_FOUND",
  ],
  502: [
    "ACCESS_DENIED",
    "CREDENTIALS_UNAVAILABLE",
    "WRONG_REGION",
    "OBJECT_NOT_FOUND",
    "OBJECT_EXISTS",
    "OBJECT_CONFLICT",
    "OBJECT_REJECTED",
    "OBJECT_UNSUPPORTED",
    "INTEGRITY",
  ],
  503: [
    "STORE_THROTTLED",
    "STORE_UNAVAILABLE",
    "STATE_BUSY",
    "STATE_FULL",
    "STATE_UNAVAILABLE",
    "STATE_CLOSED",
    "SERVICE_NOT_STARTED",
    "SERVICE_STOPPED",
  ],
};

const STATUS = new Map(
  Object.entries(BY_STATUS).flatMap(([status, codes]) => codes.map((code) => [code, Number(status)] as const)),
);

/** With which status a code of the core is answered. */
export function statusOf(code: ErrorCode): number {
  return STATUS.get(code) ?? 500;
}

/** A problem document (RFC 9457), with the stable code as an extension. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  /** Id of the request, as in the log and in the header X-Request-Id. */
  readonly instance: string;
  /** What is wrong, field by field. */
  readonly errors?: readonly Violation[];
}

/** @param error whatever was thrown */
export function problemOf(error: unknown, requestId: string): Problem {
  const { status, code, remedy, detail, errors } = factsOf(error);
  return {
    type: `urn:bucketline:problem:${code}`,
    title: remedy,
    status,
    detail,
    code,
    instance: `urn:bucketline:request:${requestId}`,
    ...(errors ? { errors } : {}),
  };
}

interface Facts {
  readonly status: number;
  readonly code: string;
  readonly remedy: string;
  readonly detail: string;
  readonly errors?: readonly Violation[] | undefined;
}

function factsOf(thrown: unknown): Facts {
  const error = fromFramework(thrown) ?? thrown;
  if (error instanceof HttpError) {
    const { status, code, message: detail, violations: errors } = error;
    return { status, code, remedy: HTTP_ERRORS[code][1], detail, errors };
  }
  if (error instanceof BucketlineError)
    return { status: statusOf(error.code), code: error.code, remedy: ERRORS[error.code], detail: error.message };
  // What else is thrown may name anything; its message goes into the log only.
  return { status: 500, code: "UNEXPECTED", remedy: ERRORS.UNEXPECTED, detail: "See the service's log." };
}

/** What Fastify and its plugins refuse, by their own code or by status; their messages stay theirs. */
const FRAMEWORK: Readonly<Record<string, readonly [HttpErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["BODY_TOO_LARGE", "The body is larger than this service takes."],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["UNSUPPORTED_MEDIA_TYPE", "The request's Content-Type is not application/json."],
  FST_ERR_CTP_INVALID_JSON_BODY: ["INVALID_REQUEST", "The body is not valid JSON."],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["INVALID_REQUEST", "The body is not as long as Content-Length says."],
  FST_ERR_BAD_URL: ["INVALID_REQUEST", "The path is not a valid URL."],
  FST_ERR_MAX_PARAM_LENGTH: ["ROUTE_NOT_FOUND", "A part of the path is longer than any id."],
  404: ["ROUTE_NOT_FOUND", "There is no such route."],
  413: ["BODY_TOO_LARGE", "The body is larger than this service takes."],
  415: ["UNSUPPORTED_MEDIA_TYPE", "The request's Content-Type is not application/json."],
  429: ["RATE_LIMITED", "Too many requests."],
};

function fromFramework(error: unknown): HttpError | undefined {
  if (!(error instanceof Error) || error instanceof HttpError || error instanceof BucketlineError) return undefined;
  const { code, statusCode } = error as { readonly code?: unknown; readonly statusCode?: unknown };
  const known = FRAMEWORK[String(code)] ?? FRAMEWORK[String(statusCode)];
  if (known) return new HttpError(known[0], known[1], { cause: error });
  const isRefusal = typeof statusCode === "number" && statusCode >= 400 && statusCode < 500;
  return isRefusal ? new HttpError("INVALID_REQUEST", "The request cannot be read.", { cause: error }) : undefined;
}
