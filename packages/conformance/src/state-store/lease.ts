import assert from "node:assert/strict";
import { passTime, type StateStoreCases } from "./harness.ts";
import { aFile, anUpload, claim, insert, listAll, NOW, paths, release, seed } from "./records.ts";

const LONG = 3_600_000;
const SHORT = 1;

export const leaseCases: StateStoreCases = {
  "files of an owner that lives are not rescued": async ({ store }) => {
    await seed(store, [aFile("a")]);
    await store.heartbeat("o", LONG);
    await claim(store, "o", 1);
    assert.deepEqual(await store.rescue({ limit: 10, release }), []);
    assert.equal((await store.getFile("u", "a"))?.owner, "o");
  },

  "files of an owner whose lease has run out are rescued": async (harness) => {
    const { store } = harness;
    await seed(store, [aFile("a"), aFile("b")]);
    await store.heartbeat("gone", SHORT);
    await store.heartbeat("here", LONG);
    const [held] = await claim(store, "gone", 1);
    await claim(store, "here", 1);
    await passTime(harness, 50);
    assert.ok(held);
    assert.deepEqual(await store.rescue({ limit: 10, release }), [release(held)]);
    assert.deepEqual(await store.getFile("u", "a"), release(held));
    assert.deepEqual(paths(await listAll(store, { limit: 10, states: ["IN_PROGRESS"] })), ["b"]);
    assert.deepEqual((await store.counters("u")).PENDING, { files: 1, bytes: 10 });
    assert.deepEqual(await store.rescue({ limit: 10, release }), []);
  },

  "a heartbeat makes the lease run anew": async (harness) => {
    const { store } = harness;
    await seed(store, [aFile("a")]);
    await store.heartbeat("o", SHORT);
    await claim(store, "o", 1);
    await passTime(harness, 50);
    await store.heartbeat("o", LONG);
    assert.deepEqual(await store.rescue({ limit: 10, release }), []);
  },

  "the last heartbeat decides, also when it is the shorter one": async (harness) => {
    const { store } = harness;
    await seed(store, [aFile("a")]);
    await store.heartbeat("o", LONG);
    await claim(store, "o", 1);
    await store.heartbeat("o", SHORT);
    await passTime(harness, 50);
    assert.deepEqual(paths(await store.rescue({ limit: 10, release })), ["a"]);
  },

  "files of owners whom nobody knows, or of none, are rescued": async ({ store }) => {
    await store.heartbeat("o", LONG);
    await seed(store, [
      aFile("a", { state: "IN_PROGRESS", owner: "nobody knows me" }),
      aFile("b", { state: "IN_PROGRESS", owner: null }),
      aFile("c", { state: "IN_PROGRESS", owner: "o" }),
      aFile("d", { state: "IN_PROGRESS", owner: "O" }),
    ]);
    assert.deepEqual(paths(await store.rescue({ limit: 10, release })).sort(), ["a", "b", "d"]);
  },

  "files of a retired owner are rescued at once": async ({ store }) => {
    await seed(store, [aFile("a"), aFile("b")]);
    await store.heartbeat("o", LONG);
    await store.heartbeat("p", LONG);
    await claim(store, "o", 1);
    await claim(store, "p", 1);
    await store.retire("o");
    await store.retire("never seen");
    assert.deepEqual(paths(await store.rescue({ limit: 10, release })), ["a"]);
  },

  "a retired owner may come back": async ({ store }) => {
    await seed(store, [aFile("a")]);
    await store.heartbeat("o", LONG);
    await store.retire("o");
    await store.heartbeat("o", LONG);
    await claim(store, "o", 1);
    assert.deepEqual(await store.rescue({ limit: 10, release }), []);
  },

  "a rescue takes no more than its limit, from every upload": async ({ store }) => {
    await seed(store, [aFile("a"), aFile("b")]);
    await store.insertUpload(anUpload("v"));
    await insert(store, [aFile("c", { uploadId: "v", state: "IN_PROGRESS", owner: "p" })]);
    await claim(store, "o", 10);
    assert.deepEqual(await store.rescue({ limit: 0, release }), []);
    const first = await store.rescue({ limit: 2, release });
    const second = await store.rescue({ limit: 2, release });
    assert.deepEqual([first.length, second.length], [2, 1]);
    assert.deepEqual(paths([...first, ...second]).sort(), ["a", "b", "c"]);
    assert.equal((await store.counters("v")).PENDING.files, 1);
  },

  "only IN_PROGRESS files are rescued": async ({ store }) => {
    const states = ["PENDING", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"] as const;
    await seed(
      store,
      states.map((state) => aFile(state, { state, owner: "nobody" })),
    );
    assert.deepEqual(await store.rescue({ limit: 10, release }), []);
  },

  "a rescue overtakes the owner's own writes": async ({ store }) => {
    await seed(store, [aFile("a")]);
    const [held] = await claim(store, "o", 1);
    assert.ok(held);
    await store.rescue({ limit: 1, release });
    assert.deepEqual(await store.commit([{ before: held, after: { ...held, revision: held.revision + 1 } }]), [
      "conflict",
    ]);
  },

  "a rescue whose release throws rescues nothing": async ({ store }) => {
    await seed(store, [aFile("a"), aFile("b")]);
    await claim(store, "o", 2);
    let calls = 0;
    const failing = (file: ReturnType<typeof aFile>) => {
      calls += 1;
      if (calls === 2) throw new Error("no");
      return release(file);
    };
    await assert.rejects(store.rescue({ limit: 10, release: failing }), /no/);
    assert.equal((await store.counters("u")).IN_PROGRESS.files, 2);
    assert.equal((await store.rescue({ limit: 10, release })).length, 2);
  },

  "an owner lives from its heartbeat until its lease runs out": async (harness) => {
    const { store } = harness;
    assert.equal(await store.isAlive("o"), false, "nobody knows it");
    await store.heartbeat("o", LONG);
    assert.equal(await store.isAlive("o"), true);
    await store.heartbeat("o", SHORT);
    await passTime(harness, 50);
    assert.equal(await store.isAlive("o"), false, "the last heartbeat decides");
    await store.heartbeat("o", LONG);
    assert.equal(await store.isAlive("o"), true);
  },

  "a retired owner does not live until its next heartbeat": async ({ store }) => {
    await store.heartbeat("o", LONG);
    await store.heartbeat("p", LONG);
    await store.retire("o");
    assert.deepEqual([await store.isAlive("o"), await store.isAlive("p")], [false, true]);
    await store.heartbeat("o", LONG);
    assert.equal(await store.isAlive("o"), true);
  },

  "owners are told apart exactly": async ({ store }) => {
    const twins = ["o", "O", "o ", "o\u0000", "caf\u00e9", "cafe\u0301", "__proto__", "%"];
    for (const owner of twins) {
      await store.heartbeat(owner, LONG);
      for (const other of twins) assert.equal(await store.isAlive(other), other === owner, JSON.stringify(other));
      await store.retire(owner);
    }
  },

  "parallel rescues never free the same file twice": async ({ store }) => {
    await seed(
      store,
      Array.from({ length: 20 }, (_, n) => aFile(`${n}`)),
    );
    await claim(store, "o", 20, NOW);
    const rescues = await Promise.all([1, 2, 3, 4].map(() => store.rescue({ limit: 7, release })));
    assert.equal(rescues.flat().length, 20);
    assert.equal(new Set(paths(rescues.flat())).size, 20);
  },
};
