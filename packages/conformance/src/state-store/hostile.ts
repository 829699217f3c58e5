import assert from "node:assert/strict";
import type { FileRecord, StepTrace, UploadRecord } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import {
  aFile,
  anUpload,
  aPart,
  aTransfer,
  claim,
  insert,
  listAll,
  NOW,
  paths,
  seed,
  someEvidence,
  someSteps,
  write,
} from "./records.ts";

const HOSTILE = [
  ...["__proto__", "constructor", "hasOwnProperty", "toString", "null", "undefined", "NaN", "0", "-0", "1e3", "true"],
  ...[
    "'",
    '"',
    "`",
    "\\",
    "';--",
    '"; DROP TABLE files; --',
    "$1",
    "?1",
    ":path",
    "%",
    "%_%",
    "_",
    "*",
    "[a]",
    "{}",
    "#{x}",
  ],
  ...[
    "nul\u0000character",
    "\u0000",
    "nul\u0000character2",
    "line\nfeed",
    "tab\t",
    "bell\u0007",
    "\u001b[31m",
    "\r\n",
    "\u2028",
    "\ufeff",
    "\u202e",
  ],
  ...["readme", "README", "Readme", "caf\u00e9", "cafe\u0301", "\u212b", "\u00c5", "ı", "I", "i", "ſ", "ss", "ß"],
  ...[
    "👩‍👩‍👧‍👦",
    "\u{1f5fb}",
    "\u{10ffff}",
    "\ufffd",
    "\uffff",
    "\ud7ff",
    " ",
    "  ",
    " leading",
    "trailing ",
    ".",
    "..",
    "-rf",
    "a/../b",
  ],
];

const TIMES = [
  0n,
  -1n,
  -999_999_999n,
  -1_000_000_000n,
  -1_000_000_001n,
  999_999_999n,
  1_000_000_000n,
  1_767_225_600_123_456_789n,
];
/** int64's ends, and a file dated 2400, beyond int64 nanoseconds. */
const FAR_TIMES = [2n ** 63n - 1n, -(2n ** 63n), 13_569_465_600_000_000_001n];

export const hostileCases: StateStoreCases = {
  "any string is a path like every other": async ({ store }) => {
    const files = HOSTILE.map((path) => aFile(path));
    await seed(store, files);
    for (const file of files) assert.deepEqual(await store.getFile("u", file.path), file, JSON.stringify(file.path));
    const sorted = [...HOSTILE].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(paths(await listAll(store, { limit: 4 })), sorted);
    assert.deepEqual(paths(await claim(store, "o", 1_000)), sorted);
  },

  "twins that differ in case or in Unicode form only are two files": async ({ store }) => {
    const twins = ["a", "A", "caf\u00e9", "cafe\u0301", "\u00c5", "A\u030a", "\u212b", "a ", "a\u0000"];
    await seed(
      store,
      twins.map((path, n) => aFile(path, { size: n })),
    );
    for (const [n, path] of twins.entries()) {
      const file = await store.getFile("u", path);
      assert.deepEqual([file?.path, file?.size], [path, n]);
      assert.equal((await store.findFileByKey("u", `u/${path}`))?.size, n);
    }
  },

  "any string comes back in every text field": async ({ store }) => {
    await seed(store, []);
    for (const [n, text] of HOSTILE.entries()) {
      const file = aFile(`${n}`, {
        state: "IN_PROGRESS",
        key: text,
        fingerprint: text,
        owner: text,
        reason: { code: "INTEGRITY", message: text },
        transfer: aTransfer(text, { key: text, fingerprint: text, multipartId: text }),
        evidence: someEvidence({ key: text, etag: text, versionId: text, fingerprint: text }),
        steps: [{ ...someSteps(1)[0], message: text } as StepTrace],
        history: [{ at: NOW, what: "fail", attempt: 1, reason: { code: "INTEGRITY", message: text } }],
      });
      await insert(store, [file]);
      const next = await write(store, file, { ...file, revision: 2 }, [aPart(1, text)]);
      assert.deepEqual(await store.getFile("u", file.path), next, JSON.stringify(text));
      assert.deepEqual(await store.listParts("u", file.path), [aPart(1, text)]);
      assert.deepEqual(await store.findFileByKey("u", text), next);
      await store.heartbeat(text, 60_000);
      assert.equal(await store.isAlive(text), true, JSON.stringify(text));
    }
    assert.deepEqual(await store.rescue({ limit: 100, release: (file) => file }), [], "every owner is known by name");
  },

  "any string comes back in an upload": async ({ store }) => {
    for (const [n, text] of HOSTILE.entries()) {
      const metadata = JSON.parse(`{${JSON.stringify(text)}: "value", "__proto__": ${JSON.stringify(text)}}`);
      const plain = anUpload(`id-${n}`);
      const texts = { sourceFolder: text, bucket: text, pattern: [text], host: text };
      const spec = { ...plain.spec, ...texts, object: { metadata } };
      const upload: UploadRecord = { ...plain, spec, scanner: text, reason: { code: "INTEGRITY", message: text } };
      await store.insertUpload(upload);
      assert.deepEqual(await store.getUpload(upload.id), upload, JSON.stringify(text));
    }
  },

  "ids that are names of object members are ids like every other": async ({ store }) => {
    for (const id of ["__proto__", "constructor", "toString"]) {
      assert.equal(await store.getUpload(id), undefined);
      assert.equal(await store.insertUpload(anUpload(id)), true);
      await insert(store, [aFile("__proto__", { uploadId: id })]);
      assert.equal((await store.counters(id)).PENDING.files, 1);
      assert.equal((await store.listFiles(id, { limit: 10 })).length, 1);
    }
    assert.deepEqual(
      (await store.listUploads({ limit: 10 })).map((upload) => upload.id),
      ["__proto__", "constructor", "toString"],
    );
  },

  "paths of 4 KiB come back, and differ by their last character": async ({ store }) => {
    const stem = `${"long folder name/".repeat(240)}`;
    const long = [`${stem}${"x".repeat(15)}a`, `${stem}${"x".repeat(15)}b`, "\u{1f5fb}".repeat(1_024)];
    await seed(
      store,
      long.map((path) => aFile(path)),
    );
    for (const path of long) assert.deepEqual(await store.getFile("u", path), aFile(path));
    assert.deepEqual(paths(await listAll(store, { limit: 1 })), long);
  },

  "sizes up to 2^53 - 1 and times come back exactly": async ({ store }) => {
    const sizes = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER];
    await seed(store, []);
    for (const size of sizes) {
      const at = size % 8_640_000_000_000_000;
      const evidence = someEvidence({ size, uploadedAt: at });
      const transfer = aTransfer("t", { partSize: size, startedAt: at });
      const times = { nextAttemptAt: at, createdAt: at, updatedAt: at };
      const file = aFile(`${size}`, { size, evidence, transfer, ...times, fence: size, attempts: size });
      await insert(store, [file]);
      const next: FileRecord = await write(store, file, { ...file, revision: 2, state: "REMOVED", size: 0 });
      assert.deepEqual(await store.getFile("u", file.path), next);
    }
  },

  "nanosecond times come back exactly, before 1970 and beyond 64 bits too": async ({ store }) => {
    const files = [...TIMES, ...FAR_TIMES].map((mtimeNs) => aFile(`${mtimeNs}`, { mtimeNs }));
    await seed(store, files);
    for (const file of files) {
      assert.equal((await store.getFile("u", file.path))?.mtimeNs, file.mtimeNs);
      await write(store, file, { ...file, revision: 2, mtimeNs: -file.mtimeNs, updatedAt: NOW + 1 });
      assert.equal((await store.getFile("u", file.path))?.mtimeNs, -file.mtimeNs);
    }
  },

  "whatever is odd is exact after a restart, too": async ({ store, reopen }) => {
    const odd = HOSTILE.map((path, n) =>
      aFile(path, {
        state: "IN_PROGRESS",
        owner: path,
        size: n === 0 ? Number.MAX_SAFE_INTEGER : 0,
        mtimeNs: [...TIMES, ...FAR_TIMES][n % (TIMES.length + FAR_TIMES.length)] as bigint,
        transfer: aTransfer(path, { key: path, multipartId: path }),
      }),
    );
    await seed(store, odd);
    const changed = odd.map((before) => ({
      before,
      after: { ...before, revision: 2 },
      parts: [aPart(1, before.path)],
    }));
    assert.ok((await store.commit(changed)).every((outcome) => outcome === "applied"));
    const metadata = JSON.parse(`{"__proto__": "value", "\\u0000": "\\ud83d\\uddfb"}`);
    const upload = { ...anUpload("__proto__"), spec: { ...anUpload("v").spec, object: { metadata } } };
    await store.insertUpload(upload);
    const again = await reopen();
    const sorted = [...HOSTILE].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(paths(await listAll(again, { limit: 10 })), sorted);
    for (const { after, parts } of changed) {
      assert.deepEqual(await again.getFile("u", after.path), after, JSON.stringify(after.path));
      assert.deepEqual(await again.listParts("u", after.path), parts);
      assert.deepEqual(await again.findFileByKey("u", after.key), after);
    }
    assert.deepEqual(await again.getUpload("__proto__"), upload);
    assert.equal((await again.counters("u")).IN_PROGRESS.bytes, Number.MAX_SAFE_INTEGER);
  },
};
