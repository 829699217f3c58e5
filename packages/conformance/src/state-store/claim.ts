import assert from "node:assert/strict";
import { reduceFile, reduceUpload } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { aFile, anUpload, claim, FAR, insert, NOW, paths, seed, take } from "./records.ts";

export const claimCases: StateStoreCases = {
  "claims come earliest due first, then in path order": async ({ store }) => {
    await seed(store, [
      aFile("late", { nextAttemptAt: NOW }),
      aFile("b", { nextAttemptAt: NOW - 5 }),
      aFile("\u{1f5fb}", { nextAttemptAt: NOW - 5 }),
      aFile("\u{ffff}", { nextAttemptAt: NOW - 5 }),
      aFile("a", { nextAttemptAt: NOW - 5 }),
      aFile("z"),
    ]);
    assert.deepEqual(paths(await claim(store, "o", 2)), ["z", "a"]);
    assert.deepEqual(paths(await claim(store, "o", 10)), ["b", "\u{ffff}", "\u{1f5fb}", "late"]);
    assert.deepEqual(await claim(store, "o", 10), []);
  },

  "a claim takes no more than its limit": async ({ store }) => {
    await seed(
      store,
      ["a", "b", "c"].map((path) => aFile(path)),
    );
    assert.deepEqual(await claim(store, "o", 0), []);
    assert.equal((await claim(store, "o", 2)).length, 2);
    assert.equal((await store.counters("u")).PENDING.files, 1);
    assert.equal((await store.counters("u")).IN_PROGRESS.files, 2);
  },

  "a file is claimed from the millisecond at which it is due": async ({ store }) => {
    await seed(store, [aFile("a", { nextAttemptAt: NOW })]);
    assert.deepEqual(await claim(store, "o", 10, NOW - 1), []);
    assert.deepEqual(paths(await claim(store, "o", 10, NOW)), ["a"]);
  },

  "a file beyond the horizon is due, because the clock was set back": async ({ store }) => {
    const horizon = NOW + 1_000;
    await seed(store, [
      aFile("at", { nextAttemptAt: horizon }),
      aFile("beyond", { nextAttemptAt: horizon + 1 }),
      aFile("due", { nextAttemptAt: NOW }),
      aFile("far beyond", { nextAttemptAt: horizon + 86_400_000 }),
    ]);
    const request = { uploadId: "u", uploadState: "IN_PROGRESS", now: NOW, horizon, take: take("o") } as const;
    assert.deepEqual(paths(await store.claim({ ...request, limit: 2 })), ["due", "beyond"]);
    assert.deepEqual(paths(await store.claim({ ...request, limit: 10 })), ["far beyond"]);
    assert.deepEqual(await store.claim({ ...request, limit: 10 }), []);
  },

  "only PENDING files of the named upload are claimed": async ({ store }) => {
    const states = ["IN_PROGRESS", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"] as const;
    await seed(
      store,
      states.map((state) => aFile(state, { state })),
    );
    await store.insertUpload(anUpload("v"));
    await insert(store, [aFile("a", { uploadId: "v" })]);
    assert.deepEqual(await claim(store, "o", 10), []);
    const request = { uploadState: "IN_PROGRESS", limit: 10, now: NOW, horizon: FAR, take: take("o") } as const;
    assert.deepEqual(await store.claim({ ...request, uploadId: "w" }), []);
    assert.equal((await store.counters("v")).PENDING.files, 1);
  },

  "nothing is claimed, or written, of an upload in another state": async ({ store }) => {
    await seed(store, [aFile("a")]);
    const request = { uploadId: "u", limit: 10, now: NOW, horizon: FAR, take: take("o") };
    let upload = await store.getUpload("u");
    for (const type of ["pause", "cancel"] as const) {
      assert.ok(upload);
      const after = reduceUpload(upload, { type }, NOW);
      assert.equal(await store.updateUpload(upload, after), true);
      upload = after;
      assert.deepEqual(await store.claim({ ...request, uploadState: "IN_PROGRESS" }), []);
      assert.deepEqual(await store.getFile("u", "a"), aFile("a"));
      assert.deepEqual((await store.counters("u")).PENDING, { files: 1, bytes: 10 });
    }
    assert.deepEqual(paths(await store.claim({ ...request, uploadState: "CANCELLED" })), ["a"]);
  },

  "a claim writes what take makes of the stored record": async ({ store }) => {
    const file = aFile("a", { fence: 4, revision: 12, attempts: 2 });
    await seed(store, [file]);
    const claimed = reduceFile(file, { type: "claim", owner: "o" }, NOW);
    assert.deepEqual(await claim(store, "o", 1), [claimed]);
    assert.deepEqual(await store.getFile("u", "a"), claimed);
    assert.equal(claimed.fence, 5);
    const stale = await store.commit([{ before: file, after: { ...file, revision: 13 } }]);
    assert.deepEqual(stale, ["conflict"], "a claim overtakes writes that read before it");
  },

  "take is called once per claimed file": async ({ store }) => {
    await seed(
      store,
      ["a", "b", "c"].map((path) => aFile(path)),
    );
    const seen: string[] = [];
    await store.claim({
      uploadId: "u",
      uploadState: "IN_PROGRESS",
      limit: 2,
      now: NOW,
      horizon: FAR,
      take: (file) => {
        seen.push(file.path);
        return take("o")(file);
      },
    });
    assert.deepEqual(seen, ["a", "b"]);
  },

  "a claim whose take throws claims nothing": async ({ store }) => {
    await seed(
      store,
      ["a", "b"].map((path) => aFile(path)),
    );
    const failing = (file: ReturnType<typeof aFile>) => {
      if (file.path === "b") throw new Error("no");
      return take("o")(file);
    };
    await assert.rejects(
      store.claim({ uploadId: "u", uploadState: "IN_PROGRESS", limit: 2, now: NOW, horizon: FAR, take: failing }),
      /no/,
    );
    assert.deepEqual((await store.counters("u")).PENDING, { files: 2, bytes: 20 });
    assert.deepEqual(paths(await claim(store, "o", 10)), ["a", "b"]);
  },

  "parallel claims never take the same file": async ({ store }) => {
    await seed(
      store,
      Array.from({ length: 60 }, (_, n) => aFile(`${n}`)),
    );
    const claims = await Promise.all(Array.from({ length: 10 }, (_, n) => claim(store, `o${n}`, 7)));
    const taken = claims.flat().map((file) => file.path);
    assert.equal(taken.length, 60);
    assert.equal(new Set(taken).size, 60);
  },

  "a file that comes back is claimed again, with a higher fence": async ({ store }) => {
    await seed(store, [aFile("a"), aFile("b")]);
    const [first] = await claim(store, "o", 1);
    assert.ok(first);
    const reason = { code: "STORE_UNAVAILABLE", message: "gone" } as const;
    const retry = reduceFile(first, { type: "retry", reason, nextAttemptAt: NOW + 50, burnt: true }, NOW);
    assert.deepEqual(await store.commit([{ before: first, after: retry }]), ["applied"]);
    assert.deepEqual(paths(await claim(store, "o", 10)), ["b"]);
    const [again] = await claim(store, "o", 10, NOW + 50);
    assert.equal(again?.path, "a");
    assert.equal(again?.fence, first.fence + 1);
  },

  "nextDue is the earliest next attempt of a PENDING file": async ({ store }) => {
    await seed(store, [
      aFile("b", { nextAttemptAt: NOW + 9 }),
      aFile("a", { nextAttemptAt: NOW + 5 }),
      aFile("failed", { nextAttemptAt: NOW + 1, state: "FAILED" }),
    ]);
    assert.equal(await store.nextDue("u"), NOW + 5);
    await claim(store, "o", 1, NOW + 5);
    assert.equal(await store.nextDue("u"), NOW + 9);
    await claim(store, "o", 1, NOW + 9);
    assert.equal(await store.nextDue("u"), undefined);
    assert.equal(await store.nextDue("v"), undefined);
  },

  "nextDue is 0 for a file that is due at once": async ({ store }) => {
    await seed(store, [aFile("a")]);
    assert.equal(await store.nextDue("u"), 0);
  },
};
