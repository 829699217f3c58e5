import assert from "node:assert/strict";
import { type ChangeOutcome, type FileRecord, reduceFile, reduceUpload, type StateStore } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import {
  aFile,
  anUpload,
  aPart,
  aTransfer,
  claim,
  FAR,
  listAll,
  NOW,
  paths,
  release,
  seed,
  someEvidence,
  take,
} from "./records.ts";
import { shared } from "./sharing.ts";

const FILES = 240;
const AT_ONCE = 5;

const finished = (file: FileRecord): FileRecord => {
  const { size, mtimeNs, fingerprint } = file;
  return reduceFile(file, { type: "uploaded", evidence: someEvidence(), facts: { size, mtimeNs, fingerprint } }, NOW);
};

const numbered = (count: number): FileRecord[] =>
  Array.from({ length: count }, (_, n) => aFile(String(n).padStart(4, "0"), { size: n }));

interface Work {
  readonly claimed: string[];
  readonly outcomes: ChangeOutcome[];
}

/** Claims, begins and finishes files until there are none, as a service does. */
async function work(store: StateStore, owner: string): Promise<Work> {
  const done: Work = { claimed: [], outcomes: [] };
  await store.heartbeat(owner, 3_600_000);
  for (;;) {
    const files = await claim(store, owner, AT_ONCE);
    if (files.length === 0) return done;
    done.claimed.push(...paths(files));
    const begun = files.map((file) => {
      const transfer = aTransfer(`${owner} ${file.path}`);
      return { before: file, after: reduceFile(file, { type: "transfer", transfer }, NOW), parts: [aPart(1)] };
    });
    done.outcomes.push(...(await store.commit(begun)));
    done.outcomes.push(...(await store.commit(begun.map(({ after }) => ({ before: after, after: finished(after) })))));
  }
}

export const contentionCases: StateStoreCases = {
  "under load from three handles each file is claimed once and finished once": shared(
    async (first, second, { another }) => {
      const files = numbered(FILES);
      await seed(first, files);
      const handles = [first, second, await another()];
      const works = await Promise.all([...handles, ...handles].map((store, n) => work(store, `owner ${n}`)));
      const claimed = works.flatMap((done) => done.claimed);
      assert.equal(claimed.length, FILES);
      assert.equal(new Set(claimed).size, FILES);
      assert.deepEqual(new Set(works.flatMap((done) => done.outcomes)), new Set(["applied"]));
      for (const store of handles) {
        const { UPLOADED, PENDING, IN_PROGRESS } = await store.counters("u");
        assert.deepEqual(UPLOADED, { files: FILES, bytes: (FILES * (FILES - 1)) / 2 });
        assert.deepEqual(
          [PENDING, IN_PROGRESS],
          [
            { files: 0, bytes: 0 },
            { files: 0, bytes: 0 },
          ],
        );
      }
      for (const file of await listAll(second, { limit: 100 })) {
        assert.deepEqual([file.state, file.fence, file.revision], ["UPLOADED", 1, 4], file.path);
        assert.deepEqual(await first.listParts("u", file.path), []);
      }
    },
  ),

  "of rivals for the same rows one wins each, the others are told, and the counters agree": shared(
    async (first, second, { another }) => {
      const files = numbered(60);
      await seed(first, files);
      const handles = [first, second, await another()];
      // Against each other, so that a store that locks row after row meets itself halfway.
      const batches = handles.map((_, n) => {
        const batch = files.map((before) => ({ before, after: { ...before, revision: 2, size: 1_000 * (n + 1) } }));
        return n % 2 === 0 ? batch : batch.reverse();
      });
      const outcomes = await Promise.all(handles.map((store, n) => store.commit(batches[n] ?? [])));
      const applied = outcomes.flatMap((list, n) =>
        (batches[n] ?? []).filter((_, index) => list[index] === "applied").map(({ after }) => after),
      );
      assert.equal(applied.length, files.length, "one wins each row");
      assert.equal(outcomes.flat().filter((outcome) => outcome === "conflict").length, 2 * files.length);
      const expected = applied.sort((a, b) => (a.path < b.path ? -1 : 1));
      for (const store of handles) {
        assert.deepEqual(await listAll(store, { limit: 50 }), expected);
        const bytes = expected.reduce((sum, { size }) => sum + size, 0);
        assert.deepEqual((await store.counters("u")).PENDING, { files: files.length, bytes });
      }
    },
  ),

  "a rescue and the owner's own write: one of the two has the file": shared(async (first, second) => {
    await seed(first, numbered(40));
    const held = await claim(first, "nobody knows me", 40);
    const [rescued, outcomes] = await Promise.all([
      Promise.all([1, 2, 3, 4].map(() => second.rescue({ limit: 10, release }))).then((lists) => lists.flat()),
      Promise.all(held.map((before) => first.commit([{ before, after: finished(before) }]))).then((all) => all.flat()),
    ]);
    for (const [n, { path }] of held.entries()) {
      const isRescued = rescued.some((file) => file.path === path);
      assert.equal(outcomes[n], isRescued ? "conflict" : "applied", path);
      assert.equal((await second.getFile("u", path))?.state, isRescued ? "PENDING" : "UPLOADED", path);
    }
    assert.equal((await first.counters("u")).PENDING.files, rescued.length);
    assert.equal((await first.counters("u")).UPLOADED.files, held.length - rescued.length);
  }),

  "of two handles that insert one upload, one does": shared(async (first, second) => {
    for (const id of ["1", "2", "3", "4", "5"]) {
      const rivals = [
        { ...anUpload(id), scanner: "first" },
        { ...anUpload(id), scanner: "second" },
      ] as const;
      const won = await Promise.all([first.insertUpload(rivals[0]), second.insertUpload(rivals[1])]);
      assert.equal(won.filter(Boolean).length, 1);
      assert.deepEqual(await second.getUpload(id), rivals[won.indexOf(true)]);
    }
    assert.equal((await first.listUploads({ limit: 10 })).length, 5);
  }),

  "of two handles that would scan one upload, one may": shared(async (first, second) => {
    let upload = reduceUpload(anUpload("u"), { type: "start" }, NOW);
    await first.insertUpload(upload);
    for (let round = 0; round < 5; round++) {
      const before = upload;
      const rivals = ["o", "p"].map((owner) => reduceUpload(before, { type: "scan", owner }, NOW + round));
      const handles = round % 2 === 0 ? [first, second] : [second, first];
      const won = await Promise.all(handles.map((store, n) => store.updateUpload(before, rivals[n] as typeof upload)));
      assert.equal(won.filter(Boolean).length, 1);
      upload = rivals[won.indexOf(true)] as typeof upload;
      for (const store of handles) assert.deepEqual(await store.getUpload("u"), upload);
    }
  }),

  "once one handle has paused an upload no other handle claims of it": shared(async (first, second) => {
    await seed(first, numbered(30));
    const started = await first.getUpload("u");
    assert.ok(started);
    assert.equal((await claim(second, "o", 1)).length, 1);
    assert.equal(await first.updateUpload(started, reduceUpload(started, { type: "pause" }, NOW)), true);
    const request = { uploadId: "u", limit: 5, now: NOW, horizon: FAR, take: take("o") };
    const late = await Promise.all(
      [second, first, second].map((store) => store.claim({ ...request, uploadState: "IN_PROGRESS" })),
    );
    assert.deepEqual(late.flat(), []);
    assert.equal((await second.counters("u")).PENDING.files, 29);
  }),
};
