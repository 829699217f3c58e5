import type { FileChange, Notice, StateStore } from "@bucketline/core";
import { type BrokenStore, broken, turn, type World } from "./memory-harness.ts";

function reads(right: StateStore, view: (notice: Notice) => Notice): Partial<StateStore> {
  return {
    getNotice: async (id) => {
      const notice = await right.getNotice(id);
      return notice && view(notice);
    },
    listNotices: async (page) => (await right.listNotices(page)).map(view),
    dueNotices: async (request) => (await right.dueNotices(request)).map(view),
  };
}

const MANY = Number.MAX_SAFE_INTEGER;

const withoutNotices = (changes: readonly FileChange[]): FileChange[] => changes.map(({ notices: _, ...rest }) => rest);

/** As a write beside the transaction has it. */
function recordAll({ state }: World, notices: readonly Notice[] = []): void {
  for (const notice of notices) if (!state.notices.get(notice.id)) state.notices.put(notice);
}

const EXACT = "notices: every field of a notice comes back exactly";
const OF_FILES = "notices: a change of a file records its notices if and only if it is applied";
const OF_UPLOADS = "notices: a change of an upload records its notices if and only if it is applied";
const OF_BATCHES = "notices: a batch records the notices of what it applies, and no others";
const ONCE = "notices: an id that is there is not recorded again";
const LISTED = "notices: notices are listed in order of their ids, page by page, whatever changes";
const FILTERED = "notices: listNotices filters by subscriber and states, alone and together";
const DUE = "notices: due notices come earliest first, then in order of their ids";
const BEYOND = "notices: a notice beyond the horizon is due behind the others, because the clock was set back";
const MOVED = "notices: what is put off, given up or revived is due then, never, or again";
const NEXT = "notices: nextNotice is the earliest next attempt of a DUE notice";
const REPLACED = "notices: updateNotice replaces every field that may change";
const OVERTAKEN = "notices: updateNotice answers false and changes nothing when it was overtaken";
const REMOVED = "notices: a removed notice is gone, and no update brings it back";
const RESTART = "notices: notices are there after a restart, and what was removed is not";
const HANDLES = "notices: two handles see each other's notices";

/** Stores that record notices wrongly. */
const recording: Readonly<Record<string, BrokenStore>> = {
  "commits lose their notices": broken(
    (right) => ({ commit: (changes) => right.commit(withoutNotices(changes)) }),
    ...[EXACT, OF_FILES, OF_BATCHES],
  ),
  "updates of uploads lose their notices": broken(
    (right) => ({ updateUpload: (before, after) => right.updateUpload(before, after) }),
    ...[OF_UPLOADS, ONCE],
  ),
  "a change that was overtaken records its notices": broken(
    (right, world) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(changes);
        for (const { notices } of changes) recordAll(world, notices);
        return outcomes;
      },
    }),
    ...[OF_FILES, OF_BATCHES],
  ),
  "a batch with a conflict records no notices": broken(
    (right, world) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(withoutNotices(changes));
        if (outcomes.includes("conflict")) return outcomes;
        for (const { notices } of changes) recordAll(world, notices);
        return outcomes;
      },
    }),
    OF_BATCHES,
  ),
  "an update of an upload that was overtaken records its notices": broken(
    (right, world) => ({
      updateUpload: async (before, after, notices) => {
        recordAll(world, notices);
        return await right.updateUpload(before, after);
      },
    }),
    OF_UPLOADS,
  ),
  "notices are recorded before the batch is looked at": broken(
    (right, world) => ({
      commit: async (changes) => {
        for (const { notices } of changes) recordAll(world, notices);
        return await right.commit(changes);
      },
    }),
    "notices: a batch that is refused records no notice",
  ),
  "of a change one notice is recorded": broken(
    (right) => ({
      commit: (changes) => right.commit(changes.map((c) => ({ ...c, notices: c.notices?.slice(0, 1) ?? [] }))),
    }),
    ...[OF_FILES, OF_BATCHES],
  ),
  "a notice that is there is written over": broken(
    (right, { state }) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(withoutNotices(changes));
        for (const [n, { notices = [] }] of changes.entries())
          if (outcomes[n] === "applied") for (const notice of notices) state.notices.put(notice);
        return outcomes;
      },
    }),
    ...[ONCE, HANDLES],
  ),
  "a notice whose id is taken refuses the change": broken(
    (right) => ({
      commit: async (changes) => {
        for (const { notices = [] } of changes)
          for (const { id } of notices) if (await right.getNotice(id)) throw new Error("duplicate key");
        return await right.commit(changes);
      },
    }),
    ONCE,
  ),
  "notices go with their file": broken(
    (right, { state }) => ({
      commit: async (changes) => {
        const outcomes = await right.commit(changes);
        for (const { after } of changes)
          if (after.state === "REMOVED")
            for (const { id } of state.notices.list({ limit: 9 })) state.notices.remove(id);
        return outcomes;
      },
    }),
    "notices: a notice outlives what becomes of its file and upload",
  ),
};

/** Stores that do not give them back as they should. */
const reading: Readonly<Record<string, BrokenStore>> = {
  "reasons of notices are cut off": broken(
    (right) =>
      reads(right, (notice) => {
        const { reason } = notice;
        return { ...notice, reason: reason && { ...reason, message: reason.message.slice(0, 65_535) } };
      }),
    EXACT,
    RESTART,
  ),
  "attempts of notices are 32 bits": broken(
    (right) => reads(right, (notice) => ({ ...notice, attempts: notice.attempts | 0 })),
    EXACT,
  ),
  "ids of notices are told apart without case": broken(
    (right) => ({
      getNotice: async (id) =>
        (await right.listNotices({ limit: MANY })).find((notice) => notice.id.toLowerCase() === id.toLowerCase()),
    }),
    EXACT,
  ),
  "notices are listed as they were recorded": broken(
    (right) => ({
      listNotices: async ({ after, limit, ...page }) => {
        const notices = (await right.listNotices({ ...page, limit: MANY })).sort((a, b) => a.createdAt - b.createdAt);
        return notices.filter(({ id }) => after === undefined || id > after).slice(0, limit);
      },
    }),
    LISTED,
  ),
  "notices are listed by the order of a language": broken(
    (right) => ({
      listNotices: async (page) => (await right.listNotices(page)).sort((a, b) => a.id.localeCompare(b.id, "en")),
    }),
    LISTED,
  ),
  "a page of notices starts with the last of the page before": broken(
    (right) => ({
      listNotices: async ({ after, limit, ...page }) => {
        const notices = await right.listNotices({ ...page, limit: MANY });
        return notices.filter(({ id }) => after === undefined || id >= after).slice(0, limit);
      },
    }),
    LISTED,
    FILTERED,
  ),
  "filters of notices come after the limit": broken(
    (right) => ({
      listNotices: async ({ subscriber, states, ...page }) =>
        (await right.listNotices(page))
          .filter((notice) => subscriber === undefined || notice.subscriber === subscriber)
          .filter((notice) => states === undefined || states.includes(notice.state)),
    }),
    FILTERED,
  ),
  "no states of notices means all": broken(
    (right) => ({
      listNotices: ({ states, ...page }) => right.listNotices(states?.length ? { ...page, states } : page),
    }),
    FILTERED,
  ),
  "due notices come in order of their ids": broken(
    (right) => ({
      dueNotices: async (request) => (await right.dueNotices(request)).sort((a, b) => (a.id < b.id ? -1 : 1)),
    }),
    ...[ONCE, DUE, RESTART],
  ),
  "what is due in a millisecond is not due": broken(
    (right) => ({ dueNotices: (request) => right.dueNotices({ ...request, dueBy: request.dueBy - 1 }) }),
    ...[DUE, ONCE],
  ),
  "nothing lies beyond the horizon": broken(
    (right) => ({ dueNotices: (request) => right.dueNotices({ ...request, horizon: MANY }) }),
    BEYOND,
  ),
  "the horizon itself lies beyond it": broken(
    (right) => ({ dueNotices: (request) => right.dueNotices({ ...request, horizon: request.horizon - 1 }) }),
    BEYOND,
  ),
  "what lies beyond the horizon is due on top of the limit": broken(
    (right) => ({
      dueNotices: async (request) => {
        const due = await right.dueNotices({ ...request, horizon: MANY });
        return [...due, ...(await right.dueNotices({ ...request, dueBy: -MANY }))];
      },
    }),
    BEYOND,
  ),
  "due notices are everybody's": broken(
    (_, { state }) => ({
      dueNotices: async ({ dueBy, limit }) => {
        const notices = state.notices.list({ limit: MANY, states: ["DUE"] });
        const due = notices.filter(({ nextAttemptAt }) => nextAttemptAt <= dueBy);
        return due.sort((a, b) => a.nextAttemptAt - b.nextAttemptAt).slice(0, limit);
      },
    }),
    ...[EXACT, DUE],
  ),
  "what is dead is due": broken(
    (right) => ({
      dueNotices: async ({ subscriber, dueBy, limit }) => {
        const notices = await right.listNotices({ subscriber, limit: MANY });
        const due = notices.filter(({ nextAttemptAt }) => nextAttemptAt <= dueBy);
        return due.sort((a, b) => a.nextAttemptAt - b.nextAttemptAt).slice(0, limit);
      },
    }),
    ...[DUE, MOVED],
  ),
  "a notice stays due when it was first": broken(
    (right, { notes }) => ({
      dueNotices: async (request) => {
        const due = await right.dueNotices(request);
        for (const { id, nextAttemptAt } of due) if (!notes.has(id)) notes.set(id, nextAttemptAt);
        return due.sort((a, b) => Number(notes.get(a.id)) - Number(notes.get(b.id)));
      },
    }),
    MOVED,
  ),
  "0 is no next notice": broken(
    (right) => ({ nextNotice: async (subscriber) => (await right.nextNotice(subscriber)) || undefined }),
    ...[NEXT, HANDLES],
  ),
  "the next notice may be dead": broken(
    (right) => ({
      nextNotice: async (subscriber) => {
        const times = (await right.listNotices({ subscriber, limit: MANY })).map((notice) => notice.nextAttemptAt);
        return times.length > 0 ? Math.min(...times) : undefined;
      },
    }),
    NEXT,
  ),
};

/** Stores that change them wrongly, or forget. */
const changing: Readonly<Record<string, BrokenStore>> = {
  "null does not replace a notice's reason": broken(
    (right) => ({
      updateNotice: (before, after) =>
        right.updateNotice(before, after && { ...after, reason: after.reason ?? before.reason }),
    }),
    REPLACED,
  ),
  "an update of a notice writes over any revision": broken(
    (right, { state }) => ({
      updateNotice: async ({ id }, after) => {
        const known = await right.getNotice(id);
        if (known && after) state.notices.put(after);
        if (known && !after) state.notices.remove(id);
        return known !== undefined;
      },
    }),
    ...[OVERTAKEN, RESTART, HANDLES],
  ),
  "a stale removal removes": broken(
    (right, { state }) => ({
      updateNotice: async (before, after) => {
        if (after) return right.updateNotice(before, after);
        const known = await right.getNotice(before.id);
        state.notices.remove(before.id);
        return known !== undefined;
      },
    }),
    OVERTAKEN,
  ),
  "an update of a notice makes one": broken(
    (right, { state }) => ({
      updateNotice: async (before, after) => {
        if (after && !state.notices.get(before.id)) state.notices.put(after);
        return right.updateNotice(before, after);
      },
    }),
    REMOVED,
  ),
  "a removal is a state": broken(
    (right) => ({
      updateNotice: (before, after) =>
        right.updateNotice(before, after ?? { ...before, state: "DEAD", revision: before.revision + 1 }),
    }),
    ...[REMOVED, RESTART],
  ),
  "an update of a notice reads, then writes": broken(
    (right, { state }) => ({
      updateNotice: async (before, after) => {
        const known = await right.getNotice(before.id);
        await turn();
        if (known?.revision !== before.revision) return false;
        if (after) state.notices.put(after);
        else state.notices.remove(before.id);
        return true;
      },
    }),
    "notices: of many parallel updates of one notice exactly one wins",
    "notices: of two handles that would deliver one notice, one may",
  ),
  "a restart loses notices": broken((_, { state, handles }) => {
    if (handles > 1) for (const { id } of state.notices.list({ limit: MANY })) state.notices.remove(id);
    return {};
  }, RESTART),
  "each handle has notices of its own": broken((right) => {
    const own = new Map<string, Notice | undefined>();
    return {
      getNotice: async (id) => {
        if (!own.has(id)) own.set(id, await right.getNotice(id));
        return own.get(id);
      },
    };
  }, HANDLES),
};

export const brokenNotices: Readonly<Record<string, BrokenStore>> = { ...recording, ...reading, ...changing };
