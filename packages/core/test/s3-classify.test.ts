import { inspect } from "node:util";
import { S3ServiceException } from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { ObjectStoreError } from "../src/errors.ts";
import { classify } from "../src/s3/classify.ts";

const call = { operation: "putObject", bucket: "b", key: "k" };

/** An answer as the SDK throws it. */
function answer(
  name: string,
  status: number,
  headers: Record<string, string> = {},
  more: Record<string, unknown> = {},
): Error {
  const $metadata = { httpStatusCode: status, requestId: "REQ1" };
  const error = new S3ServiceException({
    name,
    $fault: status < 500 ? "client" : "server",
    $metadata,
    message: "provider says so",
  });
  Object.defineProperty(error, "$response", { value: { statusCode: status, headers }, enumerable: false });
  return Object.assign(error, more);
}

/** A failure without an answer. */
function silence(code: string | undefined, name = "Error", message = "it broke"): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code }, { name });
}

describe("classify", () => {
  test.each([
    ["SlowDown", 503, "throttled", false],
    ["RequestLimitExceeded", 503, "throttled", false],
    ["SlowDownWrite", 503, "throttled", false],
    ["Unknown", 429, "throttled", false],
    ["InternalError", 500, "transient", true],
    ["ServiceUnavailable", 503, "transient", true],
    ["Unknown", 502, "transient", true],
    ["Unknown", 504, "transient", true],
    ["RequestTimeout", 400, "transient", false],
    ["RequestTimeTooSkewed", 403, "transient", false],
    ["NoSuchBucket", 404, "bucketMissing", false],
    ["InvalidBucketName", 400, "bucketMissing", false],
    ["NoSuchKey", 404, "notFound", false],
    ["NoSuchUpload", 404, "notFound", false],
    ["Unknown", 404, "notFound", false],
    ["AccessDenied", 403, "denied", false],
    ["AllAccessDisabled", 403, "denied", false],
    ["AccountProblem", 403, "denied", false],
    ["Unknown", 403, "denied", false],
    ["InvalidAccessKeyId", 403, "credentials", false],
    ["SignatureDoesNotMatch", 403, "credentials", false],
    ["ExpiredToken", 400, "credentials", false],
    ["TokenRefreshRequired", 400, "credentials", false],
    ["InvalidToken", 400, "credentials", false],
    ["Unknown", 400, "credentials", false],
    ["Unknown", 401, "credentials", false],
    ["AuthorizationHeaderMalformed", 400, "credentials", false],
    ["PermanentRedirect", 301, "wrongRegion", false],
    ["IllegalLocationConstraintException", 400, "wrongRegion", false],
    ["Unknown", 301, "wrongRegion", false],
    ["TemporaryRedirect", 307, "transient", false],
    ["BadDigest", 400, "integrity", false],
    ["InvalidDigest", 400, "integrity", false],
    ["XAmzContentChecksumMismatch", 400, "integrity", false],
    ["InvalidPart", 400, "integrity", false],
    ["PreconditionFailed", 412, "precondition", false],
    ["ConditionalRequestConflict", 409, "conflict", false],
    ["OperationAborted", 409, "conflict", false],
    ["NotImplemented", 501, "unsupported", false],
    ["MethodNotAllowed", 405, "unsupported", false],
    ["EntityTooLarge", 400, "rejected", false],
    ["InvalidArgument", 400, "rejected", false],
    ["KeyTooLongError", 400, "rejected", false],
    ["MetadataTooLarge", 400, "rejected", false],
    ["InvalidStorageClass", 400, "rejected", false],
    ["InvalidRequest", 400, "rejected", false],
    ["SomethingNew", 418, "rejected", false],
    ["SyntaxError", 200, "transient", true],
  ])("%s with HTTP %i is %s, ambiguous: %s", (name, status, kind, ambiguous) => {
    const error = classify(answer(name, status), call);
    expect(error).toBeInstanceOf(ObjectStoreError);
    expect(error).toMatchObject({ ...call, kind, ambiguous, status, providerCode: name, requestId: "REQ1" });
    expect(classify(answer(name, status), { operation: "headObject", bucket: "b", key: "k" }).ambiguous).toBe(false);
  });

  test.each([
    ["ECONNRESET", "transient", true],
    ["EPIPE", "transient", true],
    ["ETIMEDOUT", "transient", true],
    [undefined, "transient", true],
    ["ECONNREFUSED", "transient", false],
    ["ENOTFOUND", "transient", false],
    ["EAI_AGAIN", "transient", false],
    ["CONNECT_TIMEOUT", "transient", false],
    ["ERR_INVALID_CHAR", "rejected", false],
    ["ERR_UNESCAPED_CHARACTERS", "rejected", false],
    ["CERT_HAS_EXPIRED", "transient", false],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "transient", false],
    ["SELF_SIGNED_CERT_IN_CHAIN", "transient", false],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "transient", false],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "transient", false],
    ["ERR_TLS_HANDSHAKE_TIMEOUT", "transient", true],
  ])("%s without an answer is %s, ambiguous: %s", (code, kind, ambiguous) => {
    expect(classify(silence(code), call)).toMatchObject({ kind, ambiguous, status: undefined });
  });

  test("the SDK's own failures", () => {
    expect(classify(silence("ECONNRESET", "TimeoutError"), call)).toMatchObject({
      kind: "transient",
      providerCode: "TimeoutError",
      ambiguous: true,
    });
    expect(classify(silence(undefined, "CredentialsProviderError"), call)).toMatchObject({
      kind: "credentials",
      ambiguous: false,
    });
    expect(classify(silence(undefined, "Error", "Region is missing"), call)).toMatchObject({
      kind: "wrongRegion",
      ambiguous: false,
    });
    expect(classify(silence(undefined, "NotFound"), { ...call, operation: "headObject" }).kind).toBe("transient");
    expect(classify("a string", call)).toMatchObject({ kind: "transient", ambiguous: true });
  });

  test("an error that is classified already stays as it is", () => {
    const error = new ObjectStoreError({ ...call, kind: "conflict" }, "x");
    expect(classify(error, call)).toBe(error);
  });

  test("the bucket's region is named when it is known", () => {
    const head = classify(answer("Unknown", 301, { "x-amz-bucket-region": "eu-west-1" }), {
      operation: "checkBucket",
      bucket: "b",
    });
    expect(head).toMatchObject({ kind: "wrongRegion", code: "WRONG_REGION" });
    expect(head.message).toContain("The bucket is in eu-west-1.");
    const body = classify(answer("AuthorizationHeaderMalformed", 400, {}, { Region: "eu-west-2" }), call);
    expect(body).toMatchObject({ kind: "wrongRegion" });
    expect(body.message).toContain("eu-west-2");
    const denied = classify(answer("AccessDenied", 403, { "x-amz-bucket-region": "eu-west-1" }), call);
    expect(denied.kind).toBe("denied");
  });

  test("HEAD is answered without a code, so 503 is SlowDown there", () => {
    for (const operation of ["headObject", "checkBucket"]) {
      expect(classify(answer("Unknown", 503), { operation, bucket: "b" }).kind).toBe("throttled");
      expect(classify(answer("Unknown", 500), { operation, bucket: "b" }).kind).toBe("transient");
    }
    expect(classify(answer("Unknown", 503), call)).toMatchObject({ kind: "transient", ambiguous: true });
  });

  test("NotFound means the bucket when the bucket was asked for", () => {
    expect(classify(answer("NotFound", 404), { operation: "checkBucket", bucket: "b" }).kind).toBe("bucketMissing");
    expect(classify(answer("NotFound", 404), { operation: "headObject", bucket: "b", key: "k" }).kind).toBe("notFound");
  });

  test("at Complete, a size that differs is a matter of integrity, and slowing down is ambiguous", () => {
    const complete = { ...call, operation: "completeMultipart" };
    const size = Object.assign(answer("InvalidRequest", 400), {
      message: "The provided 'x-amz-mp-object-size' header value does not match",
    });
    expect(classify(size, complete)).toMatchObject({ kind: "integrity", ambiguous: false });
    expect(classify(answer("SlowDown", 503), complete)).toMatchObject({ kind: "throttled", ambiguous: true });
  });

  test.each([
    ["2", undefined, 2000],
    ["Wed, 21 Oct 2026 07:28:10 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 10_000],
    ["Wed, 21 Oct 2026 07:27:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 0],
    ["soon", undefined, undefined],
  ])("Retry-After %s", (value, date, expected) => {
    const headers = { "retry-after": value, ...(date && { date }) };
    expect(classify(answer("SlowDown", 503, headers), call).retryAfterMs).toBe(expected);
  });

  test("a message says what the store said, with its code, status and request id", () => {
    expect(classify(answer("AccessDenied", 403), call).message).toBe(
      "putObject b/k: provider says so (AccessDenied, HTTP 403, request REQ1).",
    );
    expect(classify(Object.assign(answer("Unknown", 403), { message: "UnknownError" }), call).message).toBe(
      "putObject b/k: the store gave no reason (HTTP 403, request REQ1).",
    );
  });

  test("no secret gets through, whatever the answer repeats", () => {
    const secrets = {
      StringToSign: "SECRET-STRING",
      CanonicalRequest: "x-amz-security-token:SECRET-TOKEN",
      SignatureProvided: "SECRET-SIGNATURE",
    };
    const message =
      "bad Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101, Signature=SECRET-SIGNATURE at https://user:SECRET-PASSWORD@host/?X-Amz-Signature=SECRET-SIGNATURE";
    const shown = [
      classify(Object.assign(answer("SignatureDoesNotMatch", 403, {}, secrets), { message }), call),
      classify(
        silence("ECONNRESET", "Error", "fetch https://user:SECRET-PASSWORD@host/?X-Amz-Signature=SECRET-SIGNATURE"),
        call,
      ).message,
      classify(silence(undefined, "CredentialsProviderError", "key AKIAIOSFODNN7EXAMPLE is bad"), call),
    ];
    expect(inspect(shown, { depth: 9, showHidden: true })).not.toMatch(/SECRET-|AKIAIOSFODNN7EXAMPLE/);
  });
});
