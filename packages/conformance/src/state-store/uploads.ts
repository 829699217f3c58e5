import assert from "node:assert/strict";
import { reduceUpload, type UploadRecord, type UploadState } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { anUpload, NOW } from "./records.ts";

const SCAN = {
  startedAt: NOW,
  finishedAt: NOW + 5,
  seen: 2_000_000_000,
  added: 1,
  changed: 2,
  removed: 3,
  skipped: 4,
  complete: false,
  unstable: 5,
  device: "18446744073709551615",
  doubt: { code: "SOURCE_NOT_READABLE", message: "is empty \u{1f5fb}" },
} as const;

function inState(id: string, state: UploadState): UploadRecord {
  return { ...anUpload(id), state };
}

export const uploadCases: StateStoreCases = {
  "an inserted upload comes back exactly": async ({ store }) => {
    const plain = anUpload("u");
    const spec = {
      ...plain.spec,
      pattern: ["*.a", "*.b"],
      exclude: ["x"],
      maxSize: Number.MAX_SAFE_INTEGER,
      minAge: 0,
      priority: -3,
    };
    const full: UploadRecord = {
      ...plain,
      id: "A-z_0.9",
      spec,
      state: "FAILED",
      revision: 7,
      reason: { code: "ACCESS_DENIED", message: 'no "access"\nto ünïcode 🗻' },
      lastScan: SCAN,
      cleanupDue: true,
      updatedAt: NOW + 1,
      finishedAt: NOW + 2,
    };
    assert.equal(await store.insertUpload(plain), true);
    assert.equal(await store.insertUpload(full), true);
    assert.deepEqual(await store.getUpload(plain.id), plain);
    assert.deepEqual(await store.getUpload(full.id), full);
  },

  "host and scanner come back exactly, and follow every write": async ({ store }) => {
    const plain = anUpload("u");
    const bound: UploadRecord = { ...plain, spec: { ...plain.spec, host: "host 1" } };
    const scanned = { ...anUpload("v"), scanner: "host 2:4711" };
    await store.insertUpload(bound);
    await store.insertUpload(scanned);
    assert.deepEqual(await store.listUploads({ limit: 10 }), [bound, scanned]);
    const scanning = reduceUpload(bound, { type: "scan", owner: "service \u{1f5fb}" }, NOW + 1);
    assert.equal(await store.updateUpload(bound, scanning), true);
    assert.deepEqual(await store.getUpload("u"), scanning);
    const done = reduceUpload(scanning, { type: "scanned", scan: null }, NOW + 2);
    assert.equal(await store.updateUpload(scanning, done), true);
    assert.equal((await store.getUpload("u"))?.scanner, null);
    assert.equal((await store.getUpload("u"))?.spec.host, "host 1");
    assert.deepEqual(await store.getUpload("v"), scanned);
  },

  "an unknown upload is undefined": async ({ store }) => {
    await store.insertUpload(anUpload("u"));
    assert.equal(await store.getUpload("U"), undefined);
    assert.equal(await store.getUpload("u "), undefined);
  },

  "inserting a taken id answers false and changes nothing": async ({ store }) => {
    const first = anUpload("u");
    await store.insertUpload(first);
    assert.equal(await store.insertUpload({ ...first, revision: 9, state: "PAUSED" }), false);
    assert.deepEqual(await store.getUpload("u"), first);
    assert.deepEqual(await store.listUploads({ limit: 10 }), [first]);
  },

  "updateUpload writes when the revision is the stored one": async ({ store }) => {
    const first = anUpload("u");
    await store.insertUpload(first);
    const started = reduceUpload(first, { type: "start" }, NOW + 1);
    const scanned = reduceUpload(started, { type: "scanned", scan: SCAN }, NOW + 2);
    assert.equal(await store.updateUpload(first, started), true);
    assert.equal(await store.updateUpload(started, scanned), true);
    assert.deepEqual(await store.getUpload("u"), scanned);
  },

  "updateUpload answers false and changes nothing when it was overtaken": async ({ store }) => {
    const first = anUpload("u");
    await store.insertUpload(first);
    const started = reduceUpload(first, { type: "start" }, NOW + 1);
    await store.updateUpload(first, started);
    assert.equal(await store.updateUpload(first, reduceUpload(first, { type: "cancel" }, NOW + 2)), false);
    assert.deepEqual(await store.getUpload("u"), started);
  },

  "updateUpload answers false for an upload that is not there": async ({ store }) => {
    const upload = anUpload("u");
    assert.equal(await store.updateUpload(upload, { ...upload, revision: 2 }), false);
    assert.equal(await store.getUpload("u"), undefined);
  },

  "of many parallel updates of one revision exactly one wins": async ({ store }) => {
    const first = anUpload("u");
    await store.insertUpload(first);
    const rivals = Array.from({ length: 10 }, (_, n) => ({ ...first, revision: 2, updatedAt: NOW + n }));
    const won = await Promise.all(rivals.map((after) => store.updateUpload(first, after)));
    assert.equal(won.filter(Boolean).length, 1);
    assert.deepEqual(await store.getUpload("u"), rivals[won.indexOf(true)]);
  },

  "listUploads pages in order of registration, whatever changes": async ({ store }) => {
    const ids = ["m", "z", "a", "B", "10", "9"];
    for (const id of ids) await store.insertUpload(anUpload(id));
    const z = anUpload("z");
    await store.updateUpload(z, reduceUpload(z, { type: "pause" }, NOW));
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await store.listUploads({ limit: 4, after });
      seen.push(...page.map((upload) => upload.id));
      if (page.length < 4 || seen.length > ids.length) break;
      after = page.at(-1)?.id;
    }
    assert.deepEqual(seen, ids);
    assert.deepEqual(await store.listUploads({ limit: 10, after: "9" }), []);
  },

  "listUploads filters by states and by cleanup due": async ({ store }) => {
    const uploads = [
      inState("1", "PENDING"),
      inState("2", "PAUSED"),
      { ...inState("3", "CANCELLED"), cleanupDue: true },
      inState("4", "CANCELLED"),
      inState("5", "PENDING"),
    ];
    for (const upload of uploads) await store.insertUpload(upload);
    const ids = async (page: Partial<Parameters<typeof store.listUploads>[0]>) =>
      (await store.listUploads({ limit: 10, ...page })).map((upload) => upload.id);
    assert.deepEqual(await ids({ states: ["PENDING", "PAUSED"] }), ["1", "2", "5"]);
    assert.deepEqual(await ids({ states: ["PENDING", "PAUSED"], after: "1", limit: 1 }), ["2"]);
    assert.deepEqual(await ids({ states: [] }), []);
    assert.deepEqual(await ids({ cleanupDue: true }), ["3"]);
    assert.deepEqual(await ids({ cleanupDue: true, states: ["PENDING"] }), []);
    assert.deepEqual(await ids({ cleanupDue: false }), ["1", "2", "3", "4", "5"]);
  },
};
