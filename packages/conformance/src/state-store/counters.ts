import assert from "node:assert/strict";
import {
  FILE_STATES,
  FILE_TRANSITIONS,
  type FileAction,
  type FileRecord,
  reduceFile,
  type StateStore,
} from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import {
  aFile,
  anUpload,
  aTransfer,
  claim,
  listAll,
  NOW,
  randomFrom,
  release,
  seed,
  someEvidence,
  take,
} from "./records.ts";

const ROUNDS = 60;
const REASON = { code: "STORE_UNAVAILABLE", message: "gone" } as const;

async function assertCounted(store: StateStore, what: string): Promise<void> {
  const recount = Object.fromEntries(FILE_STATES.map((state) => [state, { files: 0, bytes: 0 }]));
  for (const file of await listAll(store, { limit: 50 })) {
    const counter = recount[file.state];
    assert.ok(counter);
    counter.files += 1;
    counter.bytes += file.size;
  }
  assert.deepEqual(await store.counters("u"), recount, what);
}

function actionOf(type: FileAction["type"], random: () => number): FileAction {
  const size = Math.floor(random() * 1e9);
  const facts = { size, mtimeNs: BigInt(size), fingerprint: `f${size}` };
  const actions: { [Type in FileAction["type"]]: Extract<FileAction, { type: Type }> } = {
    claim: { type: "claim", owner: "o" },
    transfer: { type: "transfer", transfer: random() < 0.5 ? aTransfer(`t${size}`) : null, facts },
    parts: { type: "parts" },
    cleaned: { type: "cleaned" },
    uploaded: { type: "uploaded", evidence: someEvidence(), facts },
    release: { type: "release", burnt: random() < 0.5 },
    retry: { type: "retry", reason: REASON, nextAttemptAt: NOW + size, burnt: true, facts },
    fail: { type: "fail", reason: REASON, nextAttemptAt: NOW + size },
    changed: { type: "changed", facts, key: `k${size}`, nextAttemptAt: NOW + size },
    disproved: { type: "disproved", reason: REASON },
    requeue: { type: "requeue" },
    skip: { type: "skip", reason: REASON, facts },
    remove: { type: "remove" },
    deleted: { type: "deleted" },
    disowned: { type: "disowned" },
  };
  return actions[type];
}

/** A random step that the state machine allows, and now and then one that was overtaken. */
function randomChange(known: Map<string, FileRecord>, random: () => number) {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const path = `file ${Math.floor(random() * 40)}`;
  const before = known.get(path) ?? null;
  if (before === null) return { before, after: aFile(path, { size: Math.floor(random() * 1e9) }) };
  const types = Object.keys(FILE_TRANSITIONS) as FileAction["type"][];
  const allowed = types.filter((type) => FILE_TRANSITIONS[type].from.includes(before.state));
  const after = reduceFile(before, actionOf(pick(allowed), random), NOW);
  const stale = random() < 0.1;
  return stale ? { before: { ...before, revision: before.revision - 1 }, after: before } : { before, after };
}

export const counterCases: StateStoreCases = {
  "counters of an empty or unknown upload are zero for every state": async ({ store }) => {
    const zero = Object.fromEntries(FILE_STATES.map((state) => [state, { files: 0, bytes: 0 }]));
    await store.insertUpload(anUpload("u"));
    assert.deepEqual(await store.counters("u"), zero);
    assert.deepEqual(await store.counters("nobody"), zero);
  },

  "counters hold large sums exactly": async ({ store }) => {
    const half = 2 ** 52;
    await seed(store, [aFile("a", { size: half }), aFile("b", { size: half - 1 }), aFile("c", { size: 0 })]);
    assert.deepEqual((await store.counters("u")).PENDING, { files: 3, bytes: Number.MAX_SAFE_INTEGER });
  },

  "counters equal a recount after any sequence of steps": async ({ store }) => {
    const random = randomFrom(20_260_101);
    const known = new Map<string, FileRecord>();
    await seed(store, []);
    for (let round = 0; round < ROUNDS; round++) {
      const staged = new Map(known);
      const changes = Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
        const change = randomChange(staged, random);
        staged.set(change.after.path, change.after);
        return change;
      });
      const outcomes = await store.commit(changes);
      for (const [index, { after }] of changes.entries())
        if (outcomes[index] === "applied") known.set(after.path, after);
      if (round % 5 === 0) await disturb(store, known);
      await assertCounted(store, `after round ${round}`);
    }
    assert.deepEqual(new Map((await listAll(store, { limit: 7 })).map((file) => [file.path, file])), known);
  },
};

/** What claims and rescues do in between. */
async function disturb(store: StateStore, known: Map<string, FileRecord>): Promise<void> {
  for (const file of await claim(store, "nobody", 3, NOW + 1e9)) known.set(file.path, file);
  const request = {
    uploadId: "u",
    uploadState: "IN_PROGRESS",
    limit: 2,
    now: NOW,
    horizon: NOW + 5e8,
    take: take("nobody"),
  } as const;
  for (const file of await store.claim(request)) known.set(file.path, file);
  for (const file of await store.rescue({ limit: 4, release })) known.set(file.path, file);
}
