import type { FileRecord, FinishedPart, StateStore } from "@bucketline/core";
import { type BrokenStore, broken, type World } from "./memory-harness.ts";

type Kept = Map<number, FinishedPart>;

const keyOf = ({ uploadId, path }: { readonly uploadId: string; readonly path: string }) => `${uploadId}\n${path}`;

/** Keeps parts by its own rule of when those of a file are dropped. */
function dropping(drops: (before: FileRecord | null, after: FileRecord) => boolean) {
  return (right: StateStore, { notes }: World): Partial<StateStore> => ({
    commit: async (changes) => {
      const outcomes = await right.commit(changes);
      for (const [n, { before, after, parts = [] }] of changes.entries()) {
        if (outcomes[n] === "conflict") continue;
        if (drops(before, after)) notes.delete(keyOf(after));
        const kept = (notes.get(keyOf(after)) as Kept | undefined) ?? new Map();
        for (const part of after.transfer ? parts : []) kept.set(part.partNumber, part);
        notes.set(keyOf(after), kept);
      }
      return outcomes;
    },
    listParts: async (uploadId, path) => {
      const kept = (notes.get(keyOf({ uploadId, path })) as Kept | undefined) ?? new Map();
      return [...kept.values()].sort((a, b) => a.partNumber - b.partNumber);
    },
  });
}

const token = (file: FileRecord | null) => file?.transfer?.token;

/** Stores that keep parts too long, drop them too soon, or give them back wrong. */
export const brokenParts: Readonly<Record<string, BrokenStore>> = {
  "parts come as they were stored": broken(
    (right) => ({ listParts: async (uploadId, path) => (await right.listParts(uploadId, path)).reverse() }),
    "parts: parts come back exactly, ascending by number",
  ),
  "of one part number the first stays": broken(
    (right) => ({
      commit: async (changes) => {
        const kept = await Promise.all(
          changes.map(async (change) => {
            const known = await right.listParts(change.after.uploadId, change.after.path);
            const numbers = new Set(known.map(({ partNumber }) => partNumber));
            return { ...change, parts: (change.parts ?? []).filter(({ partNumber }) => !numbers.has(partNumber)) };
          }),
        );
        return right.commit(kept);
      },
    }),
    "parts: the same number again replaces the part",
  ),
  "a part number twice in a change is an error": broken(
    (right) => ({
      commit: async (changes) => {
        for (const { parts = [] } of changes) {
          if (new Set(parts.map(({ partNumber }) => partNumber)).size < parts.length)
            throw new Error("ON CONFLICT DO UPDATE command cannot affect row a second time");
        }
        return right.commit(changes);
      },
    }),
    "batches: of one part number twice in a change the later one counts",
  ),
  "a conflict stores its parts": broken(
    (right, { state }) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(changes);
        for (const [n, { after, parts = [] }] of changes.entries()) {
          const files = state.files.get(after.uploadId);
          const stored = files?.get(after.path);
          if (outcomes[n] === "conflict" && stored) files?.put(stored, parts);
        }
        return outcomes;
      },
    }),
    "parts: a conflict leaves the parts alone",
    "fence: a late owner's write changes nothing: not the file, its parts or the counters",
    "batches: one batch keeps apart what it writes to several uploads",
  ),
  "parts of a batch are stored after its rows": broken(
    (right, { state }) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(changes.map(({ before, after }) => ({ before, after })));
        for (const [n, { after, parts = [] }] of changes.entries()) {
          const files = state.files.get(after.uploadId);
          const stored = files?.get(after.path);
          if (outcomes[n] === "applied" && stored) files?.put(stored, parts);
        }
        return outcomes;
      },
    }),
    "batches: changes of several files take turns in one batch, parts and transfers included",
  ),
  "parts stay without a transfer": broken(
    dropping((before, after) => after.transfer !== null && token(before) !== token(after)),
    "parts: parts go when the transfer becomes null",
    "parts: parts go when the file is UPLOADED",
  ),
  "parts go only with an owner's transfer": broken(
    dropping((before, after) => before?.owner !== null && token(before) !== token(after)),
    "parts: parts go when what was left of a transfer is cleaned up",
  ),
  "parts of the last transfer stay in the next": broken(
    dropping((_, after) => after.transfer === null),
    "parts: parts of another token replace those of the last",
  ),
  "parts go when anything of the transfer changes": broken(
    dropping((before, after) => JSON.stringify(before?.transfer) !== JSON.stringify(after.transfer)),
    "parts: parts stay when the transfer changes but its token does not",
  ),
  "parts go with the owner": broken(
    dropping((_, after) => after.transfer === null || after.owner === null),
    "parts: parts stay when the file is released, claimed again and fails",
  ),
  "a rescue drops parts": broken(
    (right, { state }) => ({
      rescue: async (request) => {
        const rescued = await right.rescue(request);
        for (const file of rescued) {
          state.files.get(file.uploadId)?.put({ ...file, transfer: null });
          state.files.get(file.uploadId)?.put(file);
        }
        return rescued;
      },
    }),
    "parts: parts stay when a dead owner's file is rescued",
    "fence: the new owner has a higher fence, and goes on with the parts that are there",
  ),
  "parts are found by the path alone, without case": broken(
    (right) => ({ listParts: (_, path) => right.listParts("u", path.toLowerCase()) }),
    "parts: parts belong to one file",
    "batches: one batch keeps apart what it writes to several uploads",
  ),
};
