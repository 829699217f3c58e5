import assert from "node:assert/strict";
import { type ChangeHint, reduceUpload, type StateStore } from "@bucketline/core";
import type { StateStoreCases, StateStoreHarness } from "./harness.ts";
import { aFile, anUpload, NOW, seed, write } from "./records.ts";

/** Hints may be late or lost, so the change is made again and again; half a minute in all. */
const TRIES = 60;
const PATIENCE_MS = 500;

/** Runs the case when the store offers hints; one that does not has nothing to keep. */
function hinting(run: (listening: StateStore, writing: StateStore, harness: StateStoreHarness) => Promise<void>) {
  return async (harness: StateStoreHarness): Promise<void> => {
    if (harness.store.subscribe === undefined) return;
    await run(harness.store, await harness.another(), harness);
  };
}

class Ear {
  readonly heard: ChangeHint[] = [];
  readonly unsubscribe: () => void;
  #wake: () => void = () => {};

  constructor(store: StateStore) {
    const listener = (hint: ChangeHint) => {
      this.heard.push(hint);
      this.#wake();
    };
    const unsubscribe = store.subscribe?.(listener);
    assert.equal(typeof unsubscribe, "function", "subscribe returns a function that ends it");
    this.unsubscribe = () => unsubscribe?.();
  }

  /** Makes the change until a hint comes that may stand for it. */
  async hears(what: string, uploadId: string, change: () => Promise<unknown>): Promise<void> {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      this.heard.length = 0;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await change();
      await Promise.race([woken, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
      if (this.heard.some((hint) => hint.uploadId === undefined || hint.uploadId === uploadId)) return;
    }
    assert.fail(`${what} by another handle is never heard`);
  }
}

/** A change of upload `u` that can be made again and again. */
function touch(store: StateStore) {
  return async () => {
    const upload = await store.getUpload("u");
    assert.ok(upload);
    const type = upload.state === "PAUSED" ? "resume" : "pause";
    assert.equal(await store.updateUpload(upload, reduceUpload(upload, { type }, NOW)), true);
  };
}

export const hintCases: StateStoreCases = {
  "what another handle does to uploads and files is heard": hinting(async (listening, writing) => {
    await seed(listening, [aFile("a")]);
    const ear = new Ear(listening);
    let serial = 0;
    const insertAnother = () => writing.insertUpload(anUpload(`v${++serial}`));
    await ear.hears("an insert", "v1", insertAnother);
    await ear.hears("an update", "u", touch(writing));
    let file = aFile("a");
    const writeFile = async () => {
      file = await write(writing, file, { ...file, revision: file.revision + 1 });
    };
    await ear.hears("a commit", "u", writeFile);
    ear.unsubscribe();
  }),

  "every listener hears, and each ends for itself": hinting(async (listening, writing, harness) => {
    await seed(writing, [aFile("a")]);
    const [gone, stays] = [new Ear(listening), new Ear(listening)];
    await gone.hears("an update", "u", touch(writing));
    await stays.hears("an update", "u", touch(writing));
    gone.unsubscribe();
    gone.heard.length = 0;
    for (let round = 0; round < 3; round++) await stays.hears("an update", "u", touch(writing));
    assert.deepEqual(gone.heard, [], "an ended subscription is silent");
    const third = new Ear(await harness.another());
    await third.hears("an update", "u", touch(writing));
    await stays.hears("an update", "u", touch(writing));
    third.unsubscribe();
    stays.unsubscribe();
  }),

  "a handle with listeners closes, and hears nothing afterwards": hinting(async (listening, writing, harness) => {
    await seed(writing, [aFile("a")]);
    const control = new Ear(await harness.another());
    const ear = new Ear(listening);
    await ear.hears("an update", "u", touch(writing));
    await listening.close();
    ear.heard.length = 0;
    for (let round = 0; round < 3; round++) await control.hears("an update", "u", touch(writing));
    assert.deepEqual(ear.heard, []);
    control.unsubscribe();
    ear.unsubscribe();
  }),
};
