import { type ClaimRequest, comparePaths, type FileRecord, type StateStore } from "@bucketline/core";
import { type BrokenStore, broken, turn, type World } from "./memory-harness.ts";

/** The steps of a claim; a break replaces one of them. */
interface Steps {
  readonly isWanted: (file: FileRecord, request: ClaimRequest) => boolean;
  readonly isDue: (file: FileRecord, request: ClaimRequest) => boolean;
  readonly order: (a: FileRecord, b: FileRecord, request: ClaimRequest) => number;
  readonly limit: (request: ClaimRequest) => number;
  /** Between reading and writing. */
  readonly pause: () => Promise<void> | undefined;
  readonly write: (world: World, file: FileRecord, request: ClaimRequest) => FileRecord;
}

const isBeyond = (file: FileRecord, { now, horizon }: ClaimRequest) => file.nextAttemptAt > Math.max(now, horizon);

const RIGHT: Steps = {
  isWanted: ({ state }) => state === "PENDING",
  isDue: (file, request) => file.nextAttemptAt <= request.now || isBeyond(file, request),
  order: (a, b, request) =>
    Number(isBeyond(a, request)) - Number(isBeyond(b, request)) ||
    a.nextAttemptAt - b.nextAttemptAt ||
    comparePaths(a.path, b.path),
  limit: ({ limit }) => limit,
  pause: () => undefined,
  write: ({ state }, file, { take }) => {
    const taken = take(file);
    state.files.get(file.uploadId)?.put(taken);
    return taken;
  },
};

const claiming =
  (steps: Partial<Steps>) =>
  (right: StateStore, world: World): Partial<StateStore> => ({
    claim: async (request) => {
      const { isWanted, isDue, order, limit, pause, write } = { ...RIGHT, ...steps };
      const upload = await right.getUpload(request.uploadId);
      if (upload?.state !== request.uploadState) return [];
      const all = [...(world.state.files.get(request.uploadId)?.after(undefined) ?? [])];
      const due = all.filter((file) => isWanted(file, request) && isDue(file, request));
      due.sort((a, b) => order(a, b, request));
      const chosen = due.slice(0, limit(request));
      await pause();
      return chosen.map((file) => write(world, file, request));
    },
  });

/** Stores that hand out work wrongly. */
export const brokenClaims: Readonly<Record<string, BrokenStore>> = {
  "claims come in path order only": broken(
    claiming({ order: (a, b) => comparePaths(a.path, b.path) }),
    "claim: claims come earliest due first, then in path order",
  ),
  "files beyond the horizon come first": broken(
    claiming({ order: (a, b, request) => -RIGHT.order(a, b, request) }),
    "claim: a file beyond the horizon is due, because the clock was set back",
  ),
  "a claim takes all there is": broken(
    claiming({ limit: () => Number.MAX_SAFE_INTEGER }),
    "claim: a claim takes no more than its limit",
  ),
  "a file is claimed before it is due": broken(
    claiming({ isDue: () => true }),
    "claim: a file is claimed from the millisecond at which it is due",
    "claim: a file that comes back is claimed again, with a higher fence",
  ),
  "files beyond the horizon wait": broken(
    claiming({ isDue: (file, { now }) => file.nextAttemptAt <= now }),
    "claim: a file beyond the horizon is due, because the clock was set back",
  ),
  "failed files are claimed too": broken(
    (right, world) => ({
      claim: (request) => {
        const take = (file: FileRecord) => ({ ...file, state: "IN_PROGRESS", revision: file.revision + 1 }) as const;
        const isWanted = ({ state }: FileRecord) => state === "PENDING" || state === "FAILED";
        return claiming({ isWanted })(right, world).claim?.({ ...request, take }) ?? Promise.resolve([]);
      },
    }),
    "claim: only PENDING files of the named upload are claimed",
  ),
  "claims do not look at the upload's state": broken(
    (right) => ({
      claim: async (request) => {
        const upload = await right.getUpload(request.uploadId);
        return upload ? right.claim({ ...request, uploadState: upload.state }) : [];
      },
    }),
    "claim: nothing is claimed, or written, of an upload in another state",
    "contention: once one handle has paused an upload no other handle claims of it",
  ),
  "a claim is answered, but not written": broken(
    claiming({ write: (_, file, { take }) => take(file) }),
    "claim: a claim writes what take makes of the stored record",
    "reopen: what a retired owner held is rescued after a restart",
  ),
  "take is called for files that are not claimed": broken(
    claiming({
      isDue: (file, request) => {
        request.take(file);
        return RIGHT.isDue(file, request);
      },
    }),
    "claim: take is called once per claimed file",
  ),
  "a claim that fails is half written": broken(claiming({}), "claim: a claim whose take throws claims nothing"),
  "a claim reads, then writes": broken(
    claiming({ pause: turn }),
    "claim: parallel claims never take the same file",
    "two handles: interleaved and parallel claims of two handles never take the same file",
    "contention: under load from three handles each file is claimed once and finished once",
  ),
  "the fence stands still": broken(
    claiming({
      write: (world, file, request) => {
        const take = (record: FileRecord) => ({ ...request.take(record), fence: Math.max(1, record.fence) });
        return RIGHT.write(world, file, { ...request, take });
      },
    }),
    "claim: a file that comes back is claimed again, with a higher fence",
    "fence: the new owner has a higher fence, and goes on with the parts that are there",
  ),
  "nextDue counts every state": broken(
    (_, { state }) => ({
      nextDue: async (id) => {
        const times = [...(state.files.get(id)?.after(undefined) ?? [])].map((file) => file.nextAttemptAt);
        return times.length === 0 ? undefined : Math.min(...times);
      },
    }),
    "claim: nextDue is the earliest next attempt of a PENDING file",
  ),
  "nextDue takes 0 for nothing": broken(
    (right) => ({ nextDue: async (id) => (await right.nextDue(id)) || undefined }),
    "claim: nextDue is 0 for a file that is due at once",
    "reopen: everything is there again after a restart",
  ),
  "a claim looks at the first 10,000 rows": broken(
    claiming({ isWanted: ({ state, path }) => state === "PENDING" && path < "010" }),
    "many: 100,000 rows are listed in order, counted, found, claimed from the middle, and there after a restart",
  ),
};
