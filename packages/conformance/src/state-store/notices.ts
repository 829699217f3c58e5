import assert from "node:assert/strict";
import { type FileRecord, type Notice, type NoticePage, reduceUpload, type StateStore } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { added, aFile, aNotice, anUpload, FAR, NOW, SUBSCRIBER, seed, write } from "./records.ts";
import { shared } from "./sharing.ts";

const next = <T extends { readonly revision: number }>(record: T, change: Partial<T> = {}): T => ({
  ...record,
  revision: record.revision + 1,
  ...change,
});

const dead = (notice: Notice) => next(notice, { state: "DEAD" });

/** A store in which upload `u` has a file `a`, written with these notices. */
async function record(store: StateStore, notices: readonly Notice[]): Promise<FileRecord> {
  const file = aFile("a");
  await seed(store, []);
  assert.deepEqual(await store.commit([{ before: null, after: file, notices }]), ["applied"]);
  return file;
}

const all = (store: StateStore) => store.listNotices({ limit: 1_000 });

const ids = (notices: readonly Notice[]) => notices.map(({ id }) => id);

async function update(store: StateStore, before: Notice, after: Notice): Promise<Notice> {
  assert.equal(await store.updateNotice(before, after), true);
  return after;
}

/** Odd in every field, one of a file and one of an upload. */
function oddNotices(): Notice[] {
  const most = Number.MAX_SAFE_INTEGER;
  const odd = "NUL \u0000, \u2028, \u{1f5fb}, \u{10ffff}, e\u0301 é, \"'\\`, $1 ?1, __proto__\r\n ";
  const reason = { code: "INTEGRITY", message: odd } as const;
  const path = `${odd}/${"ü".repeat(2_000)}`;
  const long = { code: "UNEXPECTED", message: "€".repeat(100_000) } as const;
  return [
    aNotice("a.B-c_0123456789", {
      subscriber: "A.b-c_9",
      payload: { uploadId: odd, path, key: odd, state: "FAILED", size: most, attempts: 2 ** 40, reason },
      revision: 2 ** 40,
      attempts: 2 ** 40,
      nextAttemptAt: most,
      reason: long,
      createdAt: NOW + 1,
      updatedAt: NOW + 2,
    }),
    aNotice("b", { event: "upload:failed", payload: { uploadId: "u", state: "FAILED", reason: long }, state: "DEAD" }),
    aNotice("c", {
      event: "upload:completed",
      payload: { uploadId: "__proto__", state: "COMPLETED", reason: null },
      nextAttemptAt: -1,
      createdAt: 0,
    }),
  ];
}

export const noticeCases: StateStoreCases = {
  "every field of a notice comes back exactly": async ({ store }) => {
    const notices = oddNotices();
    await record(store, notices);
    for (const notice of notices) assert.deepEqual(await store.getNotice(notice.id), notice);
    assert.deepEqual(await all(store), notices);
    const [first, , last] = notices as [Notice, Notice, Notice];
    const due = { dueBy: Number.MAX_SAFE_INTEGER, horizon: FAR, limit: 10 };
    assert.deepEqual(await store.dueNotices({ ...due, subscriber: first.subscriber }), [first]);
    assert.deepEqual(await store.dueNotices({ ...due, subscriber: SUBSCRIBER }), [last]);
    assert.equal(await store.getNotice("A.B-c_0123456789"), undefined, "ids are told apart exactly");
  },

  "a change of a file records its notices if and only if it is applied": async ({ store }) => {
    const file = await record(store, [aNotice("1"), aNotice("2")]);
    const failed = next(file, { state: "FAILED" } as const);
    assert.deepEqual(await store.commit([{ before: file, after: failed, notices: [aNotice("3")] }]), ["applied"]);
    const stale = { before: file, after: failed, notices: [aNotice("4")] };
    assert.deepEqual(await store.commit([stale]), ["conflict"]);
    assert.deepEqual(await store.commit([{ ...added(aFile("a")), notices: [aNotice("5")] }]), ["conflict"]);
    assert.deepEqual(ids(await all(store)), ["1", "2", "3"]);
    assert.equal(await store.getNotice("4"), undefined);
    assert.deepEqual((await store.counters("u")).FAILED, { files: 1, bytes: 10 });
  },

  "a batch records the notices of what it applies, and no others": async ({ store }) => {
    const file = await record(store, []);
    const second = next(file);
    const changes = [
      { before: file, after: second, notices: [aNotice("1"), aNotice("6", { subscriber: "others" })] },
      { before: file, after: second, notices: [aNotice("2")] },
      { ...added(aFile("b")), notices: [aNotice("3")] },
      { before: next(second), after: next(next(second)), notices: [aNotice("4")] },
      { before: second, after: next(second), notices: [aNotice("5")] },
    ];
    assert.deepEqual(await store.commit(changes), ["applied", "conflict", "applied", "conflict", "applied"]);
    assert.deepEqual(ids(await all(store)), ["1", "3", "5", "6"]);
  },

  "a batch that is refused records no notice": async ({ store }) => {
    const file = await record(store, []);
    const changes = [
      { before: file, after: next(file), notices: [aNotice("1")] },
      { ...added(aFile("a", { uploadId: "unknown" })), notices: [aNotice("2")] },
    ];
    await assert.rejects(store.commit(changes), { code: "UPLOAD_NOT_FOUND" });
    assert.deepEqual(await all(store), []);
  },

  "a change of an upload records its notices if and only if it is applied": async ({ store }) => {
    const upload = anUpload("u");
    await store.insertUpload(upload);
    const failed = reduceUpload(upload, { type: "fail", reason: { code: "UPLOAD_FAILED", message: "m" } }, NOW);
    assert.equal(await store.updateUpload(upload, failed, [aNotice("1"), aNotice("2")]), true);
    assert.equal(await store.updateUpload(upload, failed, [aNotice("3")]), false);
    assert.equal(await store.updateUpload(anUpload("v"), next(anUpload("v")), [aNotice("4")]), false);
    assert.deepEqual(await all(store), [aNotice("1"), aNotice("2")]);
    assert.deepEqual(await store.getUpload("u"), failed);
  },

  "an id that is there is not recorded again": async ({ store }) => {
    const file = await record(store, [aNotice("1"), aNotice("1", { attempts: 7 })]);
    const begun = await update(store, aNotice("1"), next(aNotice("1"), { attempts: 1, nextAttemptAt: NOW }));
    const second = next(file);
    const outcomes = await store.commit([
      { before: file, after: second, notices: [aNotice("1"), aNotice("2")] },
      { before: second, after: next(second), notices: [aNotice("2", { attempts: 9 })] },
    ]);
    assert.deepEqual(outcomes, ["applied", "applied"]);
    const upload = await store.getUpload("u");
    assert.ok(upload);
    assert.equal(await store.updateUpload(upload, next(upload), [aNotice("1"), aNotice("3")]), true);
    assert.deepEqual(await all(store), [begun, aNotice("2"), aNotice("3")]);
    assert.deepEqual(await store.getFile("u", "a"), next(second), "what it came with is applied");
    const due = await store.dueNotices({ subscriber: SUBSCRIBER, dueBy: NOW, horizon: FAR, limit: 10 });
    assert.deepEqual(ids(due), ["2", "3", "1"]);
  },

  "a notice outlives what becomes of its file and upload": async ({ store }) => {
    const file = await record(store, [aNotice("1")]);
    const failed = await write(store, file, next(file, { state: "FAILED" }));
    await write(store, failed, next(failed, { state: "REMOVED", key: "" }));
    const upload = await store.getUpload("u");
    assert.ok(upload);
    assert.equal(await store.updateUpload(upload, reduceUpload(upload, { type: "cancel" }, NOW)), true);
    assert.deepEqual(await store.getNotice("1"), aNotice("1"));
  },

  "notices are listed in order of their ids, page by page, whatever changes": async ({ store }) => {
    const sorted = ["-", "A", "Z", "_", "a", "a.", "a0", "aA", "aa", "b", "z"];
    const shuffled = [7, 2, 9, 0, 4, 10, 3, 8, 1, 6, 5].map((n) => sorted[n] as string);
    const notices = shuffled.map((id, n) => aNotice(id, { createdAt: NOW - n, nextAttemptAt: n }));
    const file = await record(store, notices.slice(0, 6));
    await store.commit([{ before: file, after: next(file), notices: notices.slice(6) }]);
    await update(store, notices[0] as Notice, dead(notices[0] as Notice));
    for (const limit of [1, 4, 11, 100]) {
      const seen: string[] = [];
      for (let after: string | undefined; ; after = seen.at(-1)) {
        const page = await store.listNotices({ limit, after });
        seen.push(...ids(page));
        if (page.length < limit || seen.length > sorted.length) break;
      }
      assert.deepEqual(seen, sorted, `${limit} at a time`);
    }
    assert.deepEqual(ids(await store.listNotices({ limit: 10, after: "aB" })), ["aa", "b", "z"]);
    assert.deepEqual(await store.listNotices({ limit: 10, after: "zz" }), []);
    assert.deepEqual(await store.listNotices({ limit: 0 }), []);
  },

  "listNotices filters by subscriber and states, alone and together": async ({ store }) => {
    const some = Array.from({ length: 12 }, (_, n) => {
      const subscriber = n % 3 === 0 ? SUBSCRIBER : "others";
      return aNotice(String(n).padStart(2, "0"), { subscriber, state: n % 4 < 2 ? "DUE" : "DEAD" });
    });
    await record(store, some);
    for (const subscriber of [undefined, SUBSCRIBER, "others", "nobody"]) {
      for (const states of [undefined, [], ["DUE"], ["DEAD"], ["DUE", "DEAD"]] as const) {
        const expected = some
          .filter((notice) => subscriber === undefined || notice.subscriber === subscriber)
          .filter((notice) => states === undefined || (states as readonly string[]).includes(notice.state));
        const page: NoticePage = { limit: 3, subscriber, states };
        const [first, after] = [await store.listNotices(page), expected[2]?.id];
        assert.deepEqual(first, expected.slice(0, 3), JSON.stringify(page));
        if (after === undefined) continue;
        const rest = await store.listNotices({ ...page, limit: 20, after });
        assert.deepEqual(rest, expected.slice(3), JSON.stringify({ ...page, after }));
      }
    }
  },

  "due notices come earliest first, then in order of their ids": async ({ store }) => {
    const times = { b: 5, a: 5, d: 0, c: NOW, e: NOW + 1, f: -1, g: 5 };
    const notices = Object.entries(times).map(([id, nextAttemptAt]) => aNotice(id, { nextAttemptAt }));
    const others = [aNotice("0", { subscriber: "others" }), aNotice("z", { subscriber: "Hooks", nextAttemptAt: -5 })];
    await record(store, [...notices, ...others, aNotice("dead", { state: "DEAD" })]);
    const due = async (dueBy: number, limit = 100, subscriber = SUBSCRIBER) =>
      ids(await store.dueNotices({ subscriber, dueBy, horizon: FAR, limit }));
    assert.deepEqual(await due(NOW), ["f", "d", "a", "b", "g", "c"]);
    assert.deepEqual(await due(NOW + 1), ["f", "d", "a", "b", "g", "c", "e"]);
    assert.deepEqual(await due(NOW - 1), ["f", "d", "a", "b", "g"], "due from the millisecond on");
    assert.deepEqual(await due(NOW, 3), ["f", "d", "a"]);
    assert.deepEqual(await due(-2), []);
    assert.deepEqual(await due(NOW, 0), []);
    assert.deepEqual(await due(NOW, 100, "others"), ["0"]);
    assert.deepEqual(await due(NOW, 100, "nobody"), []);
  },

  "a notice beyond the horizon is due behind the others, because the clock was set back": async ({ store }) => {
    const horizon = NOW + 1_000;
    const times = { e: horizon, d: horizon + 1, a: NOW, b: horizon + 86_400_000, c: horizon + 1, f: NOW + 1 };
    const notices = Object.entries(times).map(([id, nextAttemptAt]) => aNotice(id, { nextAttemptAt }));
    const far = { nextAttemptAt: horizon + 1 };
    const others = [aNotice("0", { ...far, subscriber: "others" }), aNotice("1", { ...far, state: "DEAD" })];
    await record(store, [...notices, ...others]);
    const due = async (limit: number, dueBy = NOW) =>
      ids(await store.dueNotices({ subscriber: SUBSCRIBER, dueBy, horizon, limit }));
    assert.deepEqual(await due(10), ["a", "c", "d", "b"]);
    assert.deepEqual(await due(3), ["a", "c", "d"]);
    assert.deepEqual(await due(1), ["a"]);
    assert.deepEqual(await due(0), []);
    assert.deepEqual(await due(10, horizon + 1), ["a", "f", "e", "c", "d", "b"], "none twice");
  },

  "what is put off, given up or revived is due then, never, or again": async ({ store }) => {
    const [a, b, c] = [aNotice("a"), aNotice("b"), aNotice("c", { nextAttemptAt: 5 })];
    await record(store, [a, b, c]);
    const due = async () =>
      ids(await store.dueNotices({ subscriber: SUBSCRIBER, dueBy: NOW, horizon: FAR, limit: 10 }));
    const later = await update(store, a, next(a, { nextAttemptAt: 9 }));
    assert.deepEqual(await due(), ["b", "c", "a"]);
    const far = await update(store, later, next(later, { nextAttemptAt: NOW + 1 }));
    const gone = await update(store, b, dead(b));
    assert.deepEqual(await due(), ["c"]);
    await update(store, gone, next(gone, { state: "DUE", nextAttemptAt: 7 }));
    await update(store, far, next(far, { nextAttemptAt: 0 }));
    assert.deepEqual(await due(), ["a", "c", "b"]);
  },

  "nextNotice is the earliest next attempt of a DUE notice": async ({ store }) => {
    assert.equal(await store.nextNotice(SUBSCRIBER), undefined);
    const [a, b] = [aNotice("a", { nextAttemptAt: NOW + 9 }), aNotice("b", { nextAttemptAt: NOW + 5 })];
    await record(store, [a, b, aNotice("c", { state: "DEAD" }), aNotice("d", { subscriber: "others" })]);
    assert.equal(await store.nextNotice(SUBSCRIBER), NOW + 5);
    assert.equal(await store.nextNotice("others"), 0, "0 is a time");
    assert.equal(await store.nextNotice("nobody"), undefined);
    assert.equal(await store.updateNotice(b, null), true);
    assert.equal(await store.nextNotice(SUBSCRIBER), NOW + 9);
    const first = await update(store, a, next(a, { nextAttemptAt: NOW + 20 }));
    assert.equal(await store.nextNotice(SUBSCRIBER), NOW + 20);
    await update(store, first, dead(first));
    assert.equal(await store.nextNotice(SUBSCRIBER), undefined);
  },

  "updateNotice replaces every field that may change": async ({ store }) => {
    const first = aNotice("a");
    await record(store, [first]);
    const reason = { code: "UNEXPECTED", message: "It said 500." } as const;
    const change = { state: "DEAD", attempts: 3, nextAttemptAt: NOW, reason, updatedAt: NOW + 1 } as const;
    const second = await update(store, first, next(first, change));
    assert.deepEqual(await store.getNotice("a"), second);
    const back = { state: "DUE", attempts: 0, nextAttemptAt: 0, reason: null, updatedAt: NOW + 2 } as const;
    const third = await update(store, second, next(second, back));
    assert.deepEqual(await store.getNotice("a"), third);
    assert.deepEqual(await all(store), [third]);
  },

  "updateNotice answers false and changes nothing when it was overtaken": async ({ store }) => {
    const first = aNotice("a");
    await record(store, [first, aNotice("b")]);
    const second = await update(store, first, next(first, { attempts: 1 }));
    assert.equal(await store.updateNotice(first, next(first, { attempts: 9 })), false);
    assert.equal(await store.updateNotice(next(second), next(next(second))), false);
    assert.equal(await store.updateNotice(first, null), false, "a stale removal removes nothing");
    assert.deepEqual(await all(store), [second, aNotice("b")]);
  },

  "a removed notice is gone, and no update brings it back": async ({ store }) => {
    const first = aNotice("a");
    await record(store, [first, aNotice("b")]);
    assert.equal(await store.updateNotice(first, null), true);
    assert.equal(await store.getNotice("a"), undefined);
    assert.equal(await store.updateNotice(first, null), false);
    assert.equal(await store.updateNotice(first, next(first)), false);
    assert.equal(await store.updateNotice(aNotice("never"), next(aNotice("never"))), false);
    assert.deepEqual(await all(store), [aNotice("b")]);
    assert.deepEqual(await store.dueNotices({ subscriber: SUBSCRIBER, dueBy: NOW, horizon: FAR, limit: 10 }), [
      aNotice("b"),
    ]);
  },

  "of many parallel updates of one notice exactly one wins": async ({ store }) => {
    const first = aNotice("a");
    await record(store, [first]);
    const rivals = Array.from({ length: 10 }, (_, n) => next(first, { attempts: n }));
    const won = await Promise.all(rivals.map((after) => store.updateNotice(first, after)));
    assert.equal(won.filter(Boolean).length, 1);
    assert.deepEqual(await store.getNotice("a"), rivals[won.indexOf(true)]);
  },

  "notices are there after a restart, and what was removed is not": async ({ store, reopen }) => {
    const odd = oddNotices();
    const [a, b] = [aNotice("x"), aNotice("y")];
    await record(store, [...odd, a, b]);
    const upload = await store.getUpload("u");
    assert.ok(upload);
    assert.equal(await store.updateUpload(upload, next(upload), [aNotice("z", { nextAttemptAt: NOW })]), true);
    const begun = await update(store, a, next(a, { attempts: 1, nextAttemptAt: NOW + 1 }));
    assert.equal(await store.updateNotice(b, null), true);
    const again = await reopen();
    assert.deepEqual(await all(again), [...odd, begun, aNotice("z", { nextAttemptAt: NOW })]);
    const due = await again.dueNotices({ subscriber: SUBSCRIBER, dueBy: NOW + 1, horizon: FAR, limit: 10 });
    assert.deepEqual(ids(due), ["c", "z", "x"]);
    assert.equal(await again.nextNotice(SUBSCRIBER), -1);
    assert.equal(await again.updateNotice(a, next(a)), false, "compare and set goes on");
    assert.equal(await again.updateNotice(begun, null), true);
    assert.equal(await again.getNotice("x"), undefined);
  },

  "two handles see each other's notices": shared(async (first, second) => {
    const file = await record(first, [aNotice("1")]);
    for (const store of [first, second]) assert.deepEqual(await store.getNotice("1"), aNotice("1"));
    assert.deepEqual(
      await second.commit([
        { before: file, after: next(file), notices: [aNotice("1", { attempts: 9 }), aNotice("2")] },
      ]),
      ["applied"],
    );
    assert.deepEqual(await all(first), [aNotice("1"), aNotice("2")]);
    const begun = await update(second, aNotice("1"), next(aNotice("1"), { nextAttemptAt: NOW }));
    assert.deepEqual(await first.getNotice("1"), begun);
    const due = { subscriber: SUBSCRIBER, dueBy: NOW, horizon: FAR, limit: 10 };
    assert.deepEqual(ids(await first.dueNotices(due)), ["2", "1"]);
    assert.equal(await first.updateNotice(aNotice("1"), next(aNotice("1"))), false);
    assert.equal(await first.updateNotice(begun, null), true);
    assert.deepEqual(ids(await second.dueNotices(due)), ["2"]);
    assert.equal(await second.updateNotice(begun, next(begun)), false);
    assert.equal(await second.nextNotice(SUBSCRIBER), 0);
  }),

  "of two handles that would deliver one notice, one may": shared(async (first, second) => {
    const notices = Array.from({ length: 20 }, (_, n) => aNotice(String(n).padStart(2, "0")));
    await record(first, notices);
    const take = (store: StateStore, by: number) =>
      Promise.all(notices.map((notice) => store.updateNotice(notice, next(notice, { attempts: by }))));
    const [ours, theirs] = await Promise.all([take(first, 1), take(second, 2)]);
    for (const [n, notice] of notices.entries()) {
      assert.notEqual(ours[n], theirs[n], `one of two takes notice ${notice.id}`);
      const stored = next(notice, { attempts: ours[n] ? 1 : 2 });
      assert.deepEqual(await first.getNotice(notice.id), stored);
      assert.deepEqual(await second.getNotice(notice.id), stored);
    }
  }),
};
