import { ObjectStoreError } from "@bucketline/core";
import { turn } from "./memory-harness.ts";
import { type BrokenObjectStore, broken, changingPut, refusal } from "./object-harness.ts";

/** Object stores that are wrong about puts, errors, or what they can do. */
export const brokenPuts: Readonly<Record<string, BrokenObjectStore>> = {
  "no limit of parts": broken(
    (right) => ({ capabilities: { ...right.capabilities, maxParts: Number.POSITIVE_INFINITY } }),
    "capabilities: limits are whole numbers that fit together",
  ),
  "capabilities that differ from handle to handle": broken(
    (right, state) => ({ capabilities: { ...right.capabilities, maxPutSize: 1_000_000 + state.serial() } }),
    "capabilities: two handles offer the same",
  ),
  "puts forget their token": broken(
    changingPut((request) => ({ ...request, token: "" })),
    "put: a put object is there, whole and with its token",
    "put: a token comes back as it was, whatever it is",
    "keys: every key names an object of its own",
  ),
  "uses the SHA-256 of bodies without looking at it": broken(
    () => ({ usesSha256: () => true }),
    "put: a SHA-256 that comes along is believed by no store that uses it",
    "multipart: a part's SHA-256 that comes along is believed by no store that uses it",
  ),
  "an empty body is refused": broken(
    (right) => ({
      putObject: async (request) => {
        if (request.body.length === 0) throw refusal("rejected");
        return right.putObject(request);
      },
    }),
    "put: an object may be empty",
  ),
  "a missing object has facts": broken(
    (right) => ({ headObject: async (request) => (await right.headObject(request)) ?? { size: 0, etag: "none" } }),
    "put: there are no facts of an object that is not there",
    "keys: keys are not normalised",
  ),
  "a second put is ignored": broken(
    (right) => ({
      putObject: async (request) => {
        const standing = request.condition ? undefined : await right.headObject(request);
        return standing ?? right.putObject(request);
      },
    }),
    "put: a second put replaces the first",
    "listing: a replaced object is listed as it is now, by another handle too",
    "put: another handle sees a put at once",
  ),
  "checksums of puts are not checked": broken(
    (right, state) => ({
      putObject: async (request) => {
        try {
          return await right.putObject(request);
        } catch (error) {
          const { crc32 } = await import("node:zlib");
          if (!(error instanceof ObjectStoreError) || error.kind !== "integrity") throw error;
          const checksum = `crc32:${crc32(request.body).toString(16).padStart(8, "0")}` as const;
          state.serial();
          return right.putObject({ ...request, checksum });
        }
      },
    }),
    "put: bytes that do not have their checksum are refused, and nothing becomes visible",
  ),
  "puts know no conditions": broken(
    changingPut(({ condition: _, ...request }) => request),
    "put: If-None-Match lets only the first put pass",
    "put: If-Match replaces only the object it names",
    "put: of puts at the same time under If-None-Match one passes",
    "conditions: of a put and completions at the same time under If-None-Match one passes",
  ),
  "a condition is looked at, then the object is written": broken(
    (right) => ({
      putObject: async ({ condition, ...request }) => {
        const standing = await right.headObject(request);
        await turn();
        if (condition && "ifNoneMatch" in condition && standing) throw refusal("precondition");
        return right.putObject(request);
      },
    }),
    "put: of puts at the same time under If-None-Match one passes",
  ),
  "the body is read after the put": broken(
    (right, state) => ({
      putObject: async (request) => {
        const receipt = await right.putObject(request);
        const object = state.get(request.bucket)?.objects.get(request.key);
        if (object) state.get(request.bucket)?.objects.set(request.key, { ...object, bytes: request.body });
        return receipt;
      },
    }),
    "put: the caller may reuse its buffer once the put has settled",
  ),
  "a body is its whole buffer": broken(
    (right, state) => ({
      putObject: async (request) => {
        const receipt = await right.putObject(request);
        const object = state.get(request.bucket)?.objects.get(request.key);
        const bytes = new Uint8Array(request.body.buffer.slice(0));
        if (object) state.get(request.bucket)?.objects.set(request.key, { ...object, bytes });
        return receipt;
      },
    }),
    "put: a body may be a window of a larger buffer",
  ),
  "an abort gives an error of its own": broken(
    (right) => ({
      putObject: async (request) => {
        await turn();
        if (request.signal?.aborted) throw new Error("AbortError");
        return right.putObject(request);
      },
    }),
    "put: a put that is aborted on its way gives the signal's reason, or is done",
    "errors: a signal aborted before the call rejects with its reason, and nothing happens",
  ),
  "puts drop their settings": broken(
    changingPut((request) => ({ ...request, settings: {} })),
    "settings: a put keeps its settings with the object",
  ),
  "multipart uploads drop their settings": broken(
    (right) => ({ createMultipart: (request) => right.createMultipart({ ...request, settings: {} }) }),
    "settings: a multipart upload keeps the settings that it began with",
  ),
  "streams drop their settings": broken(
    (right) => ({ putStream: (request) => right.putStream({ ...request, settings: {} }) }),
    "settings: a stream keeps its settings, whether it has one part or several",
  ),
  "a missing bucket is a missing key": broken(
    (right, state) => ({
      listObjects: (request) =>
        right.listObjects({ ...request, bucket: state.get(request.bucket) ? request.bucket : "b" }),
    }),
    "errors: a missing bucket is named as such by every method that can tell",
  ),
  "no bucket passes the check": broken(
    () => ({
      checkBucket: async () => {
        throw refusal("transient");
      },
    }),
    "errors: a bucket that is there passes the check",
    "errors: a signal that does not abort changes nothing",
  ),
  "errors do not name their object": broken(
    (right) => ({
      putObject: (request) =>
        right.putObject(request).catch((error: unknown) => {
          if (!(error instanceof ObjectStoreError)) throw error;
          throw new ObjectStoreError({ kind: error.kind, operation: "put", bucket: request.bucket }, "It failed.");
        }),
    }),
    "errors: an error names the operation, the bucket and the key",
  ),
  "an unknown multipart upload has no parts": broken(
    (right) => ({ listParts: (request) => right.listParts(request).catch(() => []) }),
    "errors: a multipart upload that is not known is not found",
    "multipart: an aborted multipart upload is gone for good",
  ),
  "refusals are ambiguous": broken(
    (right) => ({
      putObject: (request) =>
        right.putObject(request).catch((error: unknown) => {
          throw error instanceof ObjectStoreError && error.kind === "precondition"
            ? refusal("precondition", true)
            : error;
        }),
    }),
    "put: If-None-Match lets only the first put pass",
  ),
};
