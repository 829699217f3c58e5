import type { UploadRecord } from "@bucketline/core";
import { type BrokenStore, broken, turn } from "./memory-harness.ts";

const byId = (a: UploadRecord, b: UploadRecord) => (a.id < b.id ? -1 : 1);

/** Stores that do something wrong with uploads. */
export const brokenUploads: Readonly<Record<string, BrokenStore>> = {
  "an insert of a taken id writes": broken(
    (right, { state }) => ({
      insertUpload: async (upload) => {
        const inserted = await right.insertUpload(upload);
        if (!inserted) state.uploads.set(upload.id, upload);
        return inserted;
      },
    }),
    "uploads: inserting a taken id answers false and changes nothing",
  ),
  "large limits are cut to 32 bits": broken(
    (right) => ({
      insertUpload: (upload) => {
        const { maxSize } = upload.spec;
        return right.insertUpload({
          ...upload,
          spec: { ...upload.spec, maxSize: maxSize === null ? null : maxSize | 0 },
        });
      },
    }),
    "uploads: an inserted upload comes back exactly",
  ),
  "the host is lost": broken(
    (right) => ({ insertUpload: (upload) => right.insertUpload({ ...upload, spec: { ...upload.spec, host: null } }) }),
    "uploads: host and scanner come back exactly, and follow every write",
    "hostile: any string comes back in an upload",
  ),
  "an update leaves the scanner": broken(
    (right) => ({ updateUpload: (before, after) => right.updateUpload(before, { ...after, scanner: before.scanner }) }),
    "uploads: host and scanner come back exactly, and follow every write",
    "contention: of two handles that would scan one upload, one may",
  ),
  "ids are told apart without case": broken(
    (right) => ({ getUpload: (id) => right.getUpload(id.toLowerCase()) }),
    "uploads: an unknown upload is undefined",
  ),
  "an update writes over any revision": broken(
    (right, { state }) => ({
      updateUpload: async (before, after) => {
        const known = await right.getUpload(before.id);
        if (known) state.uploads.set(before.id, after);
        return known !== undefined;
      },
    }),
    "uploads: updateUpload answers false and changes nothing when it was overtaken",
    "two handles: what one handle writes the other sees",
  ),
  "an update makes an upload": broken(
    (right) => ({
      updateUpload: async (before, after) =>
        (await right.updateUpload(before, after)) || (await right.insertUpload(after)),
    }),
    "uploads: updateUpload answers false for an upload that is not there",
  ),
  "an update is not written": broken(
    () => ({ updateUpload: async () => true }),
    "uploads: updateUpload writes when the revision is the stored one",
  ),
  "an update reads, then writes": broken(
    (right, { state }) => ({
      updateUpload: async (before, after) => {
        const known = await right.getUpload(before.id);
        await turn();
        if (known?.revision !== before.revision) return false;
        state.uploads.set(before.id, after);
        return true;
      },
    }),
    "uploads: of many parallel updates of one revision exactly one wins",
    "contention: of two handles that would scan one upload, one may",
  ),
  "an insert reads, then writes": broken(
    (right, { state }) => ({
      insertUpload: async (upload) => {
        const known = await right.getUpload(upload.id);
        await turn();
        if (known) return false;
        await right.insertUpload(upload);
        state.uploads.set(upload.id, upload);
        return true;
      },
    }),
    "contention: of two handles that insert one upload, one does",
  ),
  "uploads are listed by id": broken(
    (right) => ({
      listUploads: async ({ after, limit, ...page }) => {
        const all = (await right.listUploads({ ...page, limit: Number.MAX_SAFE_INTEGER })).sort(byId);
        return all.filter(({ id }) => after === undefined || id > after).slice(0, limit);
      },
    }),
    "uploads: listUploads pages in order of registration, whatever changes",
  ),
  "listings of uploads know no states": broken(
    (right) => ({ listUploads: ({ states: _, ...page }) => right.listUploads(page) }),
    "uploads: listUploads filters by states and by cleanup due",
  ),
  "uploads live in an object literal": broken(
    (right) => ({
      getUpload: async (id) => (Reflect.get({}, id) as UploadRecord | undefined) ?? right.getUpload(id),
    }),
    "hostile: ids that are names of object members are ids like every other",
  ),
  "metadata is copied with Object.assign": broken(
    (right) => ({
      getUpload: async (id) => {
        const upload = await right.getUpload(id);
        const { metadata } = upload?.spec.object ?? {};
        if (!upload || !metadata) return upload;
        return { ...upload, spec: { ...upload.spec, object: { metadata: Object.assign({}, metadata) } } };
      },
    }),
    "hostile: any string comes back in an upload",
    "hostile: whatever is odd is exact after a restart, too",
  ),
};
