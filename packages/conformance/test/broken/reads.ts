import { comparePaths, type FileRecord, type StateStore } from "@bucketline/core";
import { type BrokenStore, broken } from "./memory-harness.ts";

function reads(right: StateStore, view: (file: FileRecord) => FileRecord): Partial<StateStore> {
  return {
    getFile: async (uploadId, path) => {
      const file = await right.getFile(uploadId, path);
      return file && view(file);
    },
    listFiles: async (uploadId, page) => (await right.listFiles(uploadId, page)).map(view),
  };
}

function withoutSourceChecksum(file: FileRecord): FileRecord {
  if (!file.evidence) return file;
  const { sourceChecksum, ...evidence } = file.evidence;
  return { ...file, evidence };
}

/** Stores that do not give back what was written. */
export const brokenReads: Readonly<Record<string, BrokenStore>> = {
  "reasons are not kept": broken(
    (right) => reads(right, (file) => ({ ...file, reason: null })),
    "commit: every field of a file comes back exactly",
    "hostile: any string comes back in every text field",
  ),
  "unstableSince is not kept": broken(
    (right) => reads(right, (file) => ({ ...file, unstableSince: null })),
    "commit: every field of a file comes back exactly",
  ),
  "the history is not kept": broken(
    (right) => reads(right, (file) => ({ ...file, history: [] })),
    "commit: every field of a file comes back exactly",
    "commit: a write replaces every field",
    "hostile: any string comes back in every text field",
  ),
  "the traces of steps are not kept": broken(
    (right) => reads(right, (file) => ({ ...file, steps: [] })),
    "commit: every field of a file comes back exactly",
    "commit: a write replaces every field",
    "hostile: any string comes back in every text field",
  ),
  "the checksum of a transformed file's source is not kept": broken(
    (right) => reads(right, withoutSourceChecksum),
    "commit: every field of a file comes back exactly",
  ),
  "the newest of the history is kept": broken(
    (right) => reads(right, (file) => ({ ...file, history: file.history.slice(-8) })),
    "commit: every field of a file comes back exactly",
  ),
  "the history only grows": broken(
    (right) => ({
      commit: (changes) =>
        right.commit(
          changes.map((change) => {
            const { before, after } = change;
            return after.history.length > 0 || !before
              ? change
              : { ...change, after: { ...after, history: before.history } };
          }),
        ),
    }),
    "commit: a write replaces every field",
  ),
  "a state has another's name": broken(
    (right) => reads(right, (file) => (file.state === "REMOVED" ? { ...file, state: "SKIPPED" } : file)),
    "commit: every state keeps its name",
    "migrations: a state of version 1 opens, is exact, and goes on",
  ),
  "keys stay as they were at first": broken(
    (right, { notes }) => ({
      commit: (changes) => {
        for (const { before, after } of changes) if (!before) notes.set(`${after.uploadId} ${after.key}`, after.path);
        return right.commit(changes);
      },
      findFileByKey: async (uploadId, key) => {
        const path = notes.get(`${uploadId} ${key}`);
        return typeof path === "string" ? right.getFile(uploadId, path) : undefined;
      },
    }),
    "commit: a file may be found by its key",
  ),
  "only waiting files are found by their key": broken(
    (right) => ({
      findFileByKey: async (uploadId, key) => {
        const file = await right.findFileByKey(uploadId, key);
        return file?.state === "PENDING" ? file : undefined;
      },
    }),
    "commit: a claimed file is still found by its key",
  ),
  "an unknown upload has no counters": broken(
    (right, { state }) => ({
      counters: async (id) => (state.uploads.has(id) ? right.counters(id) : ({} as never)),
    }),
    "counters: counters of an empty or unknown upload are zero for every state",
  ),
  "counters are 32-bit floats": broken(
    (right) => ({
      counters: async (id) => {
        const counters = await right.counters(id);
        const { files, bytes } = counters.PENDING;
        return { ...counters, PENDING: { files, bytes: Math.fround(bytes) } };
      },
    }),
    "counters: counters hold large sums exactly",
    "many: 100,000 rows are listed in order, counted, found, claimed from the middle, and there after a restart",
  ),
  "paths are normalised": broken(
    (right) => ({ getFile: (uploadId, path) => right.getFile(uploadId, path.normalize("NFC")) }),
    "hostile: twins that differ in case or in Unicode form only are two files",
    "hostile: any string is a path like every other",
  ),
  "paths are cut at 4,000 bytes": broken(
    (right) => ({
      getFile: async (uploadId, path) => {
        if (path.length <= 1_000) return right.getFile(uploadId, path);
        const files = await right.listFiles(uploadId, { limit: 10 });
        return files.find((file) => file.path.slice(0, 4_000) === path.slice(0, 4_000));
      },
    }),
    "hostile: paths of 4 KiB come back, and differ by their last character",
  ),
  "sizes are 32 bits": broken(
    (right) => reads(right, (file) => ({ ...file, size: file.size | 0 })),
    "hostile: whatever is odd is exact after a restart, too",
  ),
  "attempts are 32 bits": broken(
    (right) => reads(right, (file) => ({ ...file, attempts: file.attempts | 0 })),
    "hostile: sizes up to 2^53 - 1 and times come back exactly",
  ),
  "times go through a number": broken(
    (right) => reads(right, (file) => ({ ...file, mtimeNs: BigInt(Number(file.mtimeNs)) })),
    "hostile: nanosecond times come back exactly, before 1970 and beyond 64 bits too",
    "hostile: whatever is odd is exact after a restart, too",
    "commit: every field of a file comes back exactly",
  ),
  "files are listed in UTF-16 order": broken(
    (right) => ({
      listFiles: async (uploadId, { after, limit, ...page }) => {
        const all = await right.listFiles(uploadId, { ...page, limit: Number.MAX_SAFE_INTEGER });
        all.sort((a, b) => (a.path < b.path ? -1 : 1));
        return all.filter(({ path }) => after === undefined || path > after).slice(0, limit);
      },
    }),
    "paging: files come in the order of their UTF-8 bytes",
  ),
  "a page starts only after a path that is there": broken(
    (right) => ({
      listFiles: async (uploadId, page) => {
        const isKnown = page.after === undefined || (await right.getFile(uploadId, page.after)) !== undefined;
        return isKnown ? right.listFiles(uploadId, page) : [];
      },
    }),
    "paging: a page may start after a path that is not there",
  ),
  "a listing is made once": broken(
    (right, { notes }) => ({
      listFiles: async (uploadId, { after, limit }) => {
        const known = notes.get(uploadId) as FileRecord[] | undefined;
        const all = known ?? (await right.listFiles(uploadId, { limit: Number.MAX_SAFE_INTEGER }));
        notes.set(uploadId, all);
        return all.filter(({ path }) => after === undefined || comparePaths(path, after) > 0).slice(0, limit);
      },
    }),
    "paging: files added meanwhile stand where they belong",
  ),
  "withTransfer is not heeded together with states": broken(
    (right) => ({
      listFiles: (uploadId, { withTransfer, ...page }) =>
        right.listFiles(uploadId, page.states ? page : { ...page, withTransfer }),
    }),
    "paging: filters choose by states, transfer and due time, alone and together",
  ),
  "listings by state know the first state only": broken(
    (right, { notes }) => ({
      commit: async (changes) => {
        for (const { before, after } of changes) if (!before) notes.set(after.path, after.state);
        return right.commit(changes);
      },
      listFiles: async (uploadId, { states, ...page }) => {
        const files = await right.listFiles(uploadId, page);
        return files.filter(({ path }) => !states || states.includes(notes.get(path) as never));
      },
    }),
    "paging: a filtered listing follows a file from state to state",
  ),
  "a listing ends at row 65,536": broken(
    (right) => ({
      listFiles: async (uploadId, page) =>
        page.after !== undefined && page.after > "065/065535.jpg" && page.limit === 1_000
          ? []
          : right.listFiles(uploadId, page),
    }),
    "many: 100,000 rows are listed in order, counted, found, claimed from the middle, and there after a restart",
  ),
};
