import type { FileRecord, RescueRequest, StateStore } from "@bucketline/core";
import { type BrokenStore, broken, turn, type World } from "./memory-harness.ts";

const FOR_EVER = Number.MAX_SAFE_INTEGER;

interface Steps {
  readonly isStale: (file: FileRecord, world: World) => boolean;
  readonly candidates: (world: World) => FileRecord[];
  readonly limit: (request: RescueRequest) => number;
  readonly pause: () => Promise<void> | undefined;
}

const lives = ({ state, clock }: World, owner: string) => (state.leases.get(owner) ?? -1) > clock.monotonic();

const RIGHT: Steps = {
  isStale: ({ owner }, world) => owner === null || !lives(world, owner),
  candidates: ({ state }) => [...state.files.values()].flatMap((files) => files.held()),
  limit: ({ limit }) => limit,
  pause: () => undefined,
};

const rescuing =
  (steps: Partial<Steps>) =>
  (_: StateStore, world: World): Partial<StateStore> => ({
    rescue: async (request) => {
      const { isStale, candidates, limit, pause } = { ...RIGHT, ...steps };
      const stale = candidates(world).filter((file) => isStale(file, world));
      const chosen = stale.slice(0, limit(request));
      await pause();
      return chosen.map((file) => {
        const released = request.release(file);
        world.state.files.get(file.uploadId)?.put(released);
        return released;
      });
    },
  });

const everyFile = ({ state }: World) => [...state.files.values()].flatMap((files) => [...files.after(undefined)]);

/** Stores that are wrong about who lives, or about what the dead have left. */
export const brokenLeases: Readonly<Record<string, BrokenStore>> = {
  "everybody's files are rescued": broken(
    rescuing({ isStale: () => true }),
    "lease: files of an owner that lives are not rescued",
    "lease: a retired owner may come back",
    "fence: an owner that was thought dead lives again, but does not have its files back",
    "two handles: a handle rescues another's files only when its lease has run out",
  ),
  "no lease runs out": broken(
    rescuing({ isStale: ({ owner }, { state }) => owner === null || !state.leases.has(owner) }),
    "lease: files of an owner whose lease has run out are rescued",
    "lease: the last heartbeat decides, also when it is the shorter one",
    "two handles: a handle rescues another's files only when its lease has run out",
  ),
  "the first heartbeat decides": broken(
    (right, { state }) => ({
      heartbeat: async (owner, ms) => {
        if (!state.leases.has(owner)) await right.heartbeat(owner, ms);
      },
    }),
    "lease: a heartbeat makes the lease run anew",
    "lease: an owner lives from its heartbeat until its lease runs out",
  ),
  "the longest heartbeat decides": broken(
    (right, { state }) => ({
      heartbeat: async (owner, ms) => {
        const before = state.leases.get(owner) ?? 0;
        await right.heartbeat(owner, ms);
        state.leases.set(owner, Math.max(before, state.leases.get(owner) ?? 0));
      },
    }),
    "lease: the last heartbeat decides, also when it is the shorter one",
  ),
  "unknown owners are left alone": broken(
    rescuing({
      isStale: (file, world) => file.owner !== null && world.state.leases.has(file.owner) && RIGHT.isStale(file, world),
    }),
    "lease: files of owners whom nobody knows, or of none, are rescued",
  ),
  "a retired owner lives on": broken(
    () => ({ retire: async () => {} }),
    "lease: files of a retired owner are rescued at once",
    "lease: a retired owner does not live until its next heartbeat",
    "two handles: a handle rescues at once what another's retired owner held",
    "two handles: both handles agree on who lives",
    "reopen: what a retired owner held is rescued after a restart",
  ),
  "a retired owner stays retired": broken(
    (right, { notes }) => ({
      retire: async (owner) => {
        notes.set(`retired ${owner}`, true);
        await right.retire(owner);
      },
      heartbeat: async (owner, ms) => {
        if (!notes.has(`retired ${owner}`)) await right.heartbeat(owner, ms);
      },
    }),
    "lease: a retired owner may come back",
  ),
  "a rescue takes all there is": broken(
    rescuing({ limit: () => FOR_EVER }),
    "lease: a rescue takes no more than its limit, from every upload",
  ),
  "a rescue looks at one upload": broken(
    rescuing({ candidates: ({ state }) => state.files.get("u")?.held() ?? [] }),
    "lease: a rescue takes no more than its limit, from every upload",
  ),
  "files in any state are rescued": broken(
    rescuing({ candidates: everyFile }),
    "lease: only IN_PROGRESS files are rescued",
  ),
  "a rescue that fails is half written": broken(rescuing({}), "lease: a rescue whose release throws rescues nothing"),
  "a rescue reads, then writes": broken(
    rescuing({ pause: turn }),
    "lease: parallel rescues never free the same file twice",
    "contention: a rescue and the owner's own write: one of the two has the file",
  ),
  "whoever is known lives": broken(
    (_, { state }) => ({ isAlive: async (owner) => state.leases.has(owner) }),
    "lease: an owner lives from its heartbeat until its lease runs out",
  ),
  "everybody lives": broken(
    () => ({ isAlive: async () => true }),
    "lease: a retired owner does not live until its next heartbeat",
    "reopen: what a retired owner held is rescued after a restart",
    "reopen: every method of a closed store throws STATE_CLOSED",
  ),
  "nobody lives": broken(
    () => ({ isAlive: async () => false }),
    "lease: an owner lives from its heartbeat until its lease runs out",
    "hostile: any string comes back in every text field",
  ),
  "owners are told apart without case": broken(
    (_, world) => ({
      isAlive: async (owner) =>
        [...world.state.leases.keys()].some((name) => name.toLowerCase() === owner.toLowerCase() && lives(world, name)),
    }),
    "lease: owners are told apart exactly",
  ),
};
