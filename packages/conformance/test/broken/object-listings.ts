import type { ListedObject } from "@bucketline/core";
import { type BrokenObjectStore, broken, changingPut, collect } from "./object-harness.ts";

function listing(change: (all: ListedObject[]) => ListedObject[]): BrokenObjectStore["breaks"] {
  return (right) => ({
    async *listObjects(request) {
      yield* change(await collect(right.listObjects(request)));
    },
  });
}

/** Object stores that are wrong about keys and listings. */
export const brokenListings: Readonly<Record<string, BrokenObjectStore>> = {
  "keys are taken for paths": broken(
    (right) => {
      const path = (key: string) => new URL(`file:///${encodeURI(key)}`).pathname.slice(1);
      return {
        putObject: (request) => right.putObject({ ...request, key: path(request.key) }),
        headObject: (request) => right.headObject({ ...request, key: path(request.key) }),
      };
    },
    "keys: every key names an object of its own",
    "keys: keys are not normalised",
    "listing: hostile keys are listed as they are",
  ),
  "a slash at the beginning is dropped": broken(
    changingPut((request) => ({ ...request, key: request.key.replace(/^\//, "") || "-" })),
    "keys: a key may start with a slash",
  ),
  "multipart uploads lower their keys": broken(
    (right) => ({
      async *listMultiparts(request) {
        for await (const one of right.listMultiparts(request)) yield { ...one, key: one.key.normalize("NFC") };
      },
    }),
    "keys: multipart uploads keep such keys too",
  ),
  "a key of 1,025 bytes is cut": broken(
    changingPut((request) => ({ ...request, key: request.key.slice(0, 512) })),
    "keys: a key has at most 1,024 bytes",
  ),
  "unfinished uploads are listed as objects": broken(
    (right) => ({
      async *listObjects(request) {
        yield* right.listObjects(request);
        for await (const { key } of right.listMultiparts(request)) yield { key, size: 0, etag: "none" };
      },
    }),
    "listing: no objects make an empty listing",
  ),
  "listed ETags have quotes": broken(
    listing((all) => all.map((object) => ({ ...object, etag: `"${object.etag}"` }))),
    "listing: each object is listed with its size and the ETag that HEAD shows",
  ),
  "objects come in UTF-16 order": broken(
    listing((all) => all.sort((a, b) => (a.key < b.key ? -1 : 1))),
    "listing: keys come in the order of their bytes",
  ),
  "a listing begins with the key that it is to come after": broken(
    (right) => ({
      async *listObjects(request) {
        const all = await collect(right.listObjects({ ...request, after: undefined }));
        yield* all.filter(({ key }) => request.after === undefined || key >= request.after);
      },
    }),
    "listing: only keys after a given one, which need not exist",
  ),
  "a prefix is a folder": broken(
    (right) => ({
      listObjects: ({ prefix, ...request }) =>
        right.listObjects({ ...request, prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/` }),
    }),
    "listing: a prefix is the beginning of a key, no folder",
    "listing: hostile prefixes are taken literally",
  ),
  "listings end after a page": broken(
    listing((all) => all.slice(0, 1_000)),
    "paging: more objects than one answer holds are listed completely, each once",
  ),
  "listings of parts end after a page": broken(
    (right) => ({ listParts: async (request) => (await right.listParts(request)).slice(0, 1_000) }),
    "paging: more parts than one answer holds are listed completely, each once",
  ),
  "listings of uploads go on after the key, not the upload": broken(
    (right) => ({
      async *listMultiparts(request) {
        const all = await collect(right.listMultiparts(request));
        const last = all[999]?.key;
        yield* all.filter(({ key }, index) => index < 1_000 || key !== last);
      },
    }),
    "paging: more multipart uploads than one answer holds are listed completely, each once",
  ),
  "listings do not hear a signal": broken(
    (right) => ({ listObjects: ({ signal: _, ...request }) => right.listObjects(request) }),
    "listing: a signal that aborts in the middle ends the listing with its reason",
  ),
};
