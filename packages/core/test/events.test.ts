import { expect, test } from "vitest";
import { emitFile, emitUpload, fileEvent } from "../src/events.ts";
import { reduceFile } from "../src/file.ts";
import type { UploadAction } from "../src/upload.ts";
import { facts, file, Heard, upload } from "./support/records.ts";

const reason = { code: "INTEGRITY", message: "m" } as const;
const evidence = {
  key: "old/key",
  size: 10,
  etag: "e",
  versionId: null,
  checksum: "crc32:00000000",
  fingerprint: "f",
  uploadedAt: 1,
} as const;
const common = { uploadId: "u", path: "a.txt", key: "u/a.txt", state: "PENDING", size: 10, attempts: 0 };

test.each([
  [{ type: "claim", owner: "me" }, "file:started", common],
  [
    { type: "uploaded", evidence, facts: facts(10) },
    "file:uploaded",
    { ...common, etag: "e", checksum: "crc32:00000000" },
  ],
  [{ type: "retry", reason, nextAttemptAt: 5, burnt: true }, "file:retrying", { ...common, reason, nextAttemptAt: 0 }],
  [{ type: "fail", reason, nextAttemptAt: 5 }, "file:failed", { ...common, reason }],
  [{ type: "skip", reason }, "file:skipped", { ...common, reason }],
  [{ type: "changed", facts: facts(1), key: "k", nextAttemptAt: 0 }, "file:changed", common],
  [{ type: "requeue" }, "file:queued", common],
  [{ type: "disproved", reason }, "file:queued", common],
  [{ type: "remove" }, "file:removed", common],
] as const)("$type tells", (action, name, payload) => {
  const heard = new Heard();
  emitFile(heard.emit, action, file());
  expect(heard.events).toEqual([{ name, payload }]);
  expect(JSON.parse(JSON.stringify(payload))).toEqual(payload);
});

test.each([
  { type: "parts" },
  { type: "cleaned" },
  { type: "release", burnt: true },
  { type: "transfer", transfer: null },
] as const)("$type tells nothing", (action) => {
  const heard = new Heard();
  emitFile(heard.emit, action, file());
  expect(heard.events).toEqual([]);
});

test("a removed file's event names the object that stays behind", () => {
  const removed = reduceFile(file({ state: "UPLOADED", evidence }), { type: "remove" }, 1);
  expect([removed.key, fileEvent(removed).key]).toEqual(["", "old/key"]);
});

test.each([
  ["start", "upload:started"],
  ["complete", "upload:completed"],
  ["reopen", "upload:reopened"],
  ["pause", "upload:paused"],
  ["resume", "upload:resumed"],
  ["cancel", "upload:cancelled"],
] as const)("%s tells %s", (type, name) => {
  const heard = new Heard();
  emitUpload(heard.emit, { type }, upload());
  expect(heard.events).toEqual([{ name, payload: { uploadId: "u", state: "PENDING", reason: null } }]);
});

test("a failed upload's event says why, a scan's how it went, a clean-up's nothing", () => {
  const heard = new Heard();
  const scan = {
    startedAt: 1,
    finishedAt: 2,
    seen: 3,
    added: 1,
    changed: 0,
    removed: 0,
    skipped: 0,
    complete: true,
    unstable: 0,
    device: "1",
    doubt: null,
  };
  const actions: UploadAction[] = [{ type: "fail", reason }, { type: "scanned", scan }, { type: "cleaned" }];
  for (const action of actions) emitUpload(heard.emit, action, { ...upload(), reason });
  expect(heard.events).toEqual([
    { name: "upload:failed", payload: { uploadId: "u", state: "PENDING", reason } },
    { name: "upload:scanned", payload: { uploadId: "u", scan } },
  ]);
});
