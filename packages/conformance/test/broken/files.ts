import type { ChangeOutcome, FileChange, StateStore } from "@bucketline/core";
import { type BrokenStore, broken, turn, type World } from "./memory-harness.ts";

const filesOf = ({ state }: World, uploadId: string) => state.files.get(uploadId);

const writes = (right: StateStore, change: (change: FileChange) => FileChange): Partial<StateStore> => ({
  commit: (changes) => right.commit(changes.map(change)),
});

/** Stores whose commits are wrong. */
export const brokenFiles: Readonly<Record<string, BrokenStore>> = {
  "null does not replace evidence": broken(
    (right) =>
      writes(right, (change) => {
        const evidence = change.after.evidence ?? change.before?.evidence ?? null;
        return { ...change, after: { ...change.after, evidence } };
      }),
    "commit: a write replaces every field",
  ),
  "a write that leaves transfer and evidence alone is taken for a move to another state": broken(
    (right) =>
      writes(right, (change) => {
        const { before, after } = change;
        const isMove = before && before.transfer === after.transfer && before.evidence === after.evidence;
        if (!isMove) return change;
        const { state, owner, fence, attempts, nextAttemptAt, updatedAt, revision } = after;
        return { ...change, after: { ...before, state, owner, fence, attempts, nextAttemptAt, updatedAt, revision } };
      }),
    "commit: a write replaces any field alone",
  ),
  "files are found by their path alone": broken(
    (right) => ({ getFile: (_, path) => right.getFile("u", path) }),
    "commit: files of different uploads do not meet",
  ),
  "the last writer wins": broken(
    (_, world) => ({
      commit: async (changes) => {
        await turn();
        for (const { after, parts } of changes) filesOf(world, after.uploadId)?.put(after, parts);
        return changes.map(() => "applied" as const);
      },
    }),
    "commit: a write whose revision is not the stored one is a conflict and changes nothing",
    "commit: a new file is a conflict when there is one already",
    "commit: a write to a file that is not there is a conflict and makes none",
    "claim: a claim writes what take makes of the stored record",
    "lease: a rescue overtakes the owner's own writes",
    "fence: a late owner's write changes nothing: not the file, its parts or the counters",
    "fence: a late owner's write does not spoil the batch it stands in",
    "contention: of rivals for the same rows one wins each, the others are told, and the counters agree",
  ),
  "a fence is not looked at when the owner is not named": broken(
    (right) => ({
      commit: async (changes) => {
        const current = await Promise.all(changes.map(({ after }) => right.getFile(after.uploadId, after.path)));
        return right.commit(
          changes.map((change, n) => {
            const stored = current[n];
            if (!change.before || !stored || change.after.owner !== null || stored.owner === null) return change;
            return { ...change, before: stored };
          }),
        );
      },
    }),
    "fence: a late owner's write changes nothing: not the file, its parts or the counters",
  ),
  "only the revision is compared": broken(
    (right) => ({
      commit: async (changes) => {
        const outcomes: ChangeOutcome[] = [];
        for (const change of changes) {
          const stored = await right.getFile(change.after.uploadId, change.after.path);
          const meets = stored !== undefined && stored.revision === change.before?.revision;
          outcomes.push(...(await right.commit([meets ? { ...change, before: stored } : change])));
        }
        return outcomes;
      },
    }),
    "fence: of a chain of late writes none is applied, not even the one that meets the new owner's revision",
    "fence: a late write that meets the revision of a file in another state is not applied",
  ),
  "a conflict ends the batch": broken(
    (right) => ({
      commit: async (changes) => {
        const outcomes: ChangeOutcome[] = [];
        let lost = false;
        for (const change of changes) {
          const written: ChangeOutcome[] = lost ? ["conflict"] : await right.commit([change]);
          lost ||= written.includes("conflict");
          outcomes.push(...written);
        }
        return outcomes;
      },
    }),
    "commit: a batch applies what it can, with outcomes in order",
    "fence: a late owner's write does not spoil the batch it stands in",
    "many: a batch may hold thousands of changes",
  ),
  "a batch is judged by what stood before it": broken(
    (_, world) => ({
      commit: async (changes) => {
        await turn();
        const stored = changes.map(({ after }) => filesOf(world, after.uploadId)?.get(after.path)?.revision);
        return changes.map(({ before, after, parts }, n) => {
          if (stored[n] !== before?.revision) return "conflict";
          filesOf(world, after.uploadId)?.put(after, parts);
          return "applied";
        });
      },
    }),
    "commit: changes of one file chained by revision all apply in one batch",
    "batches: a file that is new twice in one batch is inserted once",
    "batches: each change of a batch is judged by what the ones before it have left",
    "batches: changes of several files take turns in one batch, parts and transfers included",
  ),
  "counters do not see conflicts": broken(
    (right, { notes }) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(changes);
        const added = changes.filter(({ before }) => before === null).length;
        notes.set("files", Number(notes.get("files") ?? 0) + added);
        return outcomes;
      },
      counters: async (id) => {
        const counters = await right.counters(id);
        const others = Object.entries(counters).filter(([state]) => state !== "PENDING");
        const files = Number(notes.get("files") ?? 0) - others.reduce((sum, [, counter]) => sum + counter.files, 0);
        return { ...counters, PENDING: { ...counters.PENDING, files } };
      },
    }),
    "commit: a new file is a conflict when there is one already",
  ),
  "claims are not counted": broken(
    (right, { notes }) => ({
      claim: async (request) => {
        const claimed = await right.claim(request);
        notes.set("claimed", Number(notes.get("claimed") ?? 0) + claimed.length);
        return claimed;
      },
      counters: async (id) => {
        const counters = await right.counters(id);
        const { files, bytes } = counters.PENDING;
        return { ...counters, PENDING: { files: files + Number(notes.get("claimed") ?? 0), bytes } };
      },
    }),
    "counters: counters equal a recount after any sequence of steps",
    "contention: under load from three handles each file is claimed once and finished once",
  ),
  "of changes of one file in a batch only the last is written": broken(
    (right) => ({
      commit: async (changes) => {
        const last = new Map(changes.map((change) => [`${change.after.uploadId}/${change.after.path}`, change]));
        await right.commit([...last.values()]);
        return changes.map(() => "applied" as const);
      },
    }),
    "batches: each change of a batch is judged by what the ones before it have left",
  ),
  "a batch goes to one upload": broken(
    (right) => ({
      commit: async (changes) => {
        const own = changes.filter(({ after }) => after.uploadId === changes[0]?.after.uploadId);
        await right.commit(own);
        return changes.map(() => "applied" as const);
      },
    }),
    "commit: one batch may write to several uploads",
    "batches: one batch keeps apart what it writes to several uploads",
  ),
  "an empty batch is an error": broken(
    (right) => ({
      commit: async (changes) => {
        if (changes.length === 0) throw new TypeError("VALUES lists must not be empty");
        return right.commit(changes);
      },
    }),
    "commit: an empty batch is no work",
  ),
  "a batch that fails is half written": broken(
    (right) => ({
      commit: async (changes) => {
        const outcomes: ChangeOutcome[] = [];
        for (const change of changes) outcomes.push(...(await right.commit([change])));
        return outcomes;
      },
    }),
    "commit: a file of an unknown upload is refused, and the whole batch with it",
  ),
  "a commit reads, then writes": broken(
    (_, world) => ({
      commit: async (changes) => {
        const outcomes: ChangeOutcome[] = [];
        for (const { before, after, parts } of changes) {
          const files = filesOf(world, after.uploadId);
          const isCurrent = files?.get(after.path)?.revision === before?.revision;
          await turn();
          if (isCurrent) files?.put(after, parts);
          outcomes.push(isCurrent ? ("applied" as const) : ("conflict" as const));
        }
        return outcomes;
      },
    }),
    "commit: parallel commits of one revision: exactly one wins",
    "two handles: parallel writes of two handles keep the counters right",
    "contention: of rivals for the same rows one wins each, the others are told, and the counters agree",
  ),
  "commits that meet are told of a deadlock": broken(
    (right, { notes }) => ({
      commit: async (changes) => {
        if (notes.get("writing") && changes.length > 1) throw new Error("deadlock detected");
        notes.set("writing", true);
        try {
          return await right.commit(changes);
        } finally {
          notes.delete("writing");
        }
      },
    }),
    "contention: of rivals for the same rows one wins each, the others are told, and the counters agree",
  ),
  "what was committed once is applied for ever": broken(
    (right, { notes }) => ({
      commit: async (changes) => {
        const known = (notes.get("done") as Set<unknown>) ?? new Set();
        notes.set("done", known);
        if (known.has(changes)) return changes.map(() => "applied" as const);
        known.add(changes);
        return right.commit(changes);
      },
    }),
    "batches: a commit again, after it was answered, is a conflict",
  ),
  "a batch is cut at 1,000": broken(
    (right) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(changes.slice(0, 1_000));
        return changes.map((_, n) => outcomes[n] ?? "applied");
      },
    }),
    "many: a batch may hold thousands of changes",
  ),
};
