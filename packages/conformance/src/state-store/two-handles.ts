import assert from "node:assert/strict";
import { reduceUpload } from "@bucketline/core";
import { passTime, type StateStoreCases } from "./harness.ts";
import { aFile, anUpload, aPart, aTransfer, claim, listAll, NOW, paths, release, seed, write } from "./records.ts";
import { shared } from "./sharing.ts";

export const twoHandleCases: StateStoreCases = {
  "what one handle writes the other sees": shared(async (first, second) => {
    await seed(first, [aFile("a")]);
    assert.deepEqual(await second.getFile("u", "a"), aFile("a"));
    assert.equal(await second.insertUpload(anUpload("u")), false);
    const started = reduceUpload(anUpload("u"), { type: "start" }, NOW);
    const paused = reduceUpload(started, { type: "pause" }, NOW);
    assert.equal(await second.updateUpload(started, paused), true);
    assert.deepEqual(await first.getUpload("u"), paused);
    assert.equal(await first.updateUpload(started, paused), false);
    await write(second, aFile("a"), { ...aFile("a"), revision: 2, transfer: aTransfer("t") }, [aPart(1)]);
    assert.deepEqual(await first.listParts("u", "a"), [aPart(1)]);
    assert.deepEqual(await first.commit([{ before: aFile("a"), after: { ...aFile("a"), revision: 2 } }]), ["conflict"]);
    const seen = await first.getFile("u", "a");
    assert.ok(seen);
    const failed = await write(first, seen, { ...seen, revision: 3, state: "FAILED" });
    assert.deepEqual(await second.getFile("u", "a"), failed);
  }),

  "a key is found whichever handle wrote it": shared(async (first, second) => {
    await seed(first, [aFile("a")]);
    assert.equal((await second.findFileByKey("u", "u/a"))?.path, "a");
    await first.commit([{ before: null, after: aFile("b") }]);
    assert.equal((await second.findFileByKey("u", "u/b"))?.path, "b");
    assert.equal((await first.findFileByKey("u", "u/b"))?.path, "b");
  }),

  "interleaved and parallel claims of two handles never take the same file": shared(async (first, second) => {
    await seed(
      first,
      Array.from({ length: 90 }, (_, n) => aFile(`${n}`)),
    );
    const taken: string[] = [];
    for (let round = 0; round < 5; round++) {
      taken.push(...paths(await claim(first, "o", 3)), ...paths(await claim(second, "p", 3)));
    }
    const rivals = [first, second, first, second, first, second].map((store, n) => claim(store, `o${n}`, 10));
    taken.push(...paths((await Promise.all(rivals)).flat()));
    assert.equal(taken.length, 90);
    assert.equal(new Set(taken).size, 90);
    assert.equal((await second.counters("u")).IN_PROGRESS.files, 90);
  }),

  "parallel writes of two handles keep the counters right": shared(async (first, second) => {
    const files = Array.from({ length: 40 }, (_, n) => aFile(`${String(n).padStart(2, "0")}`, { size: n }));
    await seed(first, files);
    const writes = files.flatMap((before, n) =>
      [first, second].map((store) =>
        store.commit([{ before, after: { ...before, revision: 2, state: "UPLOADED", size: n * 2 } }]),
      ),
    );
    const outcomes = (await Promise.all(writes)).flat();
    assert.equal(outcomes.filter((outcome) => outcome === "applied").length, 40);
    for (const store of [first, second]) {
      assert.deepEqual((await store.counters("u")).UPLOADED, { files: 40, bytes: 40 * 39 });
      assert.deepEqual((await store.counters("u")).PENDING, { files: 0, bytes: 0 });
    }
  }),

  "a handle rescues another's files only when its lease has run out": shared(async (first, second, harness) => {
    await seed(first, [aFile("a"), aFile("b")]);
    await first.heartbeat("o", 3_600_000);
    const [held] = await claim(first, "o", 1);
    assert.ok(held);
    assert.deepEqual(await second.rescue({ limit: 10, release }), []);
    await first.heartbeat("o", 1);
    await passTime(harness, 50);
    assert.deepEqual(paths(await second.rescue({ limit: 10, release })), ["a"]);
    const stale = { before: held, after: { ...held, revision: held.revision + 1 } };
    assert.deepEqual(await first.commit([stale]), ["conflict"], "the late owner is fenced off");
    const [again] = await claim(second, "p", 1);
    assert.equal(again?.fence, held.fence + 1);
  }),

  "a handle rescues at once what another's retired owner held": shared(async (first, second) => {
    await seed(first, [aFile("a")]);
    await first.heartbeat("o", 3_600_000);
    await claim(first, "o", 1);
    await first.retire("o");
    assert.deepEqual(paths(await second.rescue({ limit: 10, release })), ["a"]);
  }),

  "both handles agree on who lives": shared(async (first, second, harness) => {
    await first.heartbeat("o", 3_600_000);
    assert.equal(await second.isAlive("o"), true);
    await second.retire("o");
    assert.equal(await first.isAlive("o"), false);
    await second.heartbeat("o", 3_600_000);
    assert.equal(await first.isAlive("o"), true);
    await second.heartbeat("o", 1);
    await passTime(harness, 50);
    assert.deepEqual([await first.isAlive("o"), await second.isAlive("o")], [false, false]);
  }),

  "closing one handle leaves the other open": shared(async (first, second) => {
    await seed(first, [aFile("a")]);
    await first.close();
    assert.deepEqual(await listAll(second, { limit: 10 }), [aFile("a")]);
    assert.deepEqual(paths(await claim(second, "o", 1)), ["a"]);
  }),
};
