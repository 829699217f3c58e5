import { turn } from "./memory-harness.ts";
import { type BrokenObjectStore, broken, changingComplete, collect, refusal } from "./object-harness.ts";

/** Object stores that are wrong about parts and completions. */
export const brokenMultiparts: Readonly<Record<string, BrokenObjectStore>> = {
  "completions know no conditions": broken(
    changingComplete(({ condition: _, ...request }) => request),
    "conditions: If-None-Match at completion leaves a standing object alone",
    "conditions: If-Match at completion where there is no object makes none",
    "conditions: of a put and completions at the same time under If-None-Match one passes",
  ),
  "completions under a condition are refused": broken(
    (right) => ({
      completeMultipart: async (request) => {
        if (request.condition) throw refusal("precondition");
        return right.completeMultipart(request);
      },
    }),
    "conditions: If-None-Match at completion passes while no object has the key",
    "conditions: If-Match at completion replaces the object it names",
  ),
  "a part is its buffer, for ever": broken(
    (right, state) => ({
      uploadPart: async (request) => {
        const receipt = await right.uploadPart(request);
        const { parts } = state.get(request.bucket)?.multiparts.get(request.multipartId) ?? {};
        const part = parts?.get(request.partNumber);
        if (part) parts?.set(request.partNumber, { ...part, bytes: request.body });
        return receipt;
      },
    }),
    "multipart: a part's body may be a window of a larger buffer, and be used again",
  ),
  "parts are put together in the order they came": broken(
    (right, state) => ({
      completeMultipart: async (request) => {
        const { parts } = state.get(request.bucket)?.multiparts.get(request.multipartId) ?? {};
        const came = [...(parts?.values() ?? [])].map(({ bytes }) => bytes);
        const receipt = await right.completeMultipart(request);
        const object = state.get(request.bucket)?.objects.get(request.key);
        const bytes = new Uint8Array(Buffer.concat(came));
        if (object) state.get(request.bucket)?.objects.set(request.key, { ...object, bytes });
        return receipt;
      },
    }),
    "multipart: parts sent in any order make one object, which is there only then",
  ),
  "parts at the same time are refused": broken((right) => {
    let isBusy = false;
    return {
      uploadPart: async (request) => {
        if (isBusy) throw refusal("transient");
        isBusy = true;
        await turn();
        return right.uploadPart(request).finally(() => {
          isBusy = false;
        });
      },
    };
  }, "multipart: parts may be sent at the same time"),
  "a single part is refused when it is small": broken(
    (right) => ({
      completeMultipart: async (request) => {
        if (request.size < right.capabilities.minPartSize) throw refusal("rejected");
        return right.completeMultipart(request);
      },
    }),
    "multipart: a single part may be small",
    "multipart: one key may have several multipart uploads",
  ),
  "a part stays as it was at first": broken(
    (right) => ({
      uploadPart: async (request) => {
        const known = await right.listParts(request);
        return known.find(({ partNumber }) => partNumber === request.partNumber) ?? right.uploadPart(request);
      },
    }),
    "multipart: the same part number again replaces the part",
  ),
  "parts are listed in reverse": broken(
    (right) => ({ listParts: async (request) => (await right.listParts(request)).reverse() }),
    "multipart: parts are listed in order of their numbers, with what is known of them",
    "multipart: another handle goes on where the first one stopped",
  ),
  "checksums of parts are not checked": broken(
    (right) => ({
      uploadPart: async (request) => {
        const { crc32 } = await import("node:zlib");
        return right.uploadPart({
          ...request,
          checksum: `crc32:${crc32(request.body).toString(16).padStart(8, "0")}`,
        });
      },
    }),
    "multipart: a part that does not have its checksum is refused and not stored",
  ),
  "part 0 is part 1": broken(
    (right) => ({ uploadPart: (request) => right.uploadPart({ ...request, partNumber: request.partNumber || 1 }) }),
    "multipart: part numbers out of range are refused",
  ),
  "the size at completion is not compared": broken(
    (right) => ({
      completeMultipart: async (request) => {
        const held = await right.listParts(request);
        const sizes = new Map(held.map(({ partNumber, size }) => [partNumber, size]));
        const size = request.parts.reduce((sum, { partNumber }) => sum + (sizes.get(partNumber) ?? 0), 0);
        return right.completeMultipart({ ...request, size });
      },
    }),
    "multipart: a wrong size, checksum, order or part is not completed, and the right one still is",
  ),
  "an abort is forgotten": broken(
    () => ({ abortMultipart: async () => {} }),
    "multipart: an aborted multipart upload is gone for good",
  ),
  "aborting what never was is an error": broken(
    (right) => ({
      abortMultipart: async (request) => {
        await right.listParts(request);
        await right.abortMultipart(request);
      },
    }),
    "multipart: aborting what never was resolves",
    "multipart: a completed multipart upload is not known any more",
  ),
  "unfinished uploads are listed as they began": broken(
    (right, state) => ({
      async *listMultiparts(request) {
        const all = await collect(right.listMultiparts(request));
        const begun = [...(state.get(request.bucket)?.multiparts.keys() ?? [])];
        yield* all.sort((a, b) => begun.indexOf(a.multipartId) - begun.indexOf(b.multipartId));
      },
    }),
    "multipart: unfinished multipart uploads are listed by prefix, in key order",
  ),
  "the smallest part is not asked for": broken(
    (right, state) => ({
      completeMultipart: async (request) => {
        if (request.parts.length < 2) return right.completeMultipart(request);
        const { parts } = state.get(request.bucket)?.multiparts.get(request.multipartId) ?? {};
        const small = [...(parts?.values() ?? [])].some(
          ({ bytes }) => bytes.length === right.capabilities.minPartSize - 1,
        );
        return small ? { etag: "accepted" } : right.completeMultipart(request);
      },
    }),
    "multipart: only the last part may be smaller than the smallest part",
  ),
};
