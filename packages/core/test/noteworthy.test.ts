import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../src/errors.ts";
import { type FileAction, type FileRecord, reduceFile } from "../src/file.ts";
import { fileNews, uploadNews } from "../src/noteworthy.ts";
import { reduceUpload, type UploadRecord } from "../src/upload.ts";
import { facts, file, upload } from "./support/records.ts";

const fail = (code: ErrorCode): FileAction => ({ type: "fail", reason: { code, message: "m" }, nextAttemptAt: 0 });
const retry: FileAction = {
  type: "retry",
  reason: { code: "STORE_UNAVAILABLE", message: "m" },
  nextAttemptAt: 0,
  burnt: true,
};
const claim: FileAction = { type: "claim", owner: "o" };
const requeue: FileAction = { type: "requeue" };
const changed: FileAction = { type: "changed", facts: facts(20, 2), key: "u/a.txt", nextAttemptAt: 0 };
const uploaded: FileAction = {
  type: "uploaded",
  facts: facts(10),
  evidence: {
    ...{ key: "u/a.txt", size: 10, etag: "e", versionId: null, checksum: "crc32:00000000" },
    ...{ fingerprint: "f", uploadedAt: 1 },
  },
};
const disproved: FileAction = { type: "disproved", reason: { code: "OBJECT_NOT_FOUND", message: "m" } };

/** Codes of the news that the actions make, one after another. */
function told(...actions: readonly FileAction[]): string[] {
  let before: FileRecord = file();
  const codes: string[] = [];
  for (const [now, action] of actions.entries()) {
    const after = reduceFile(before, action, now);
    const news = fileNews(before, after);
    if (news && "path" in news.payload) codes.push(news.payload.reason.code);
    before = after;
  }
  return codes;
}

describe("a file", () => {
  test("that fails is told, with what it is and why", () => {
    const held = reduceFile(file(), claim, 1);
    const failed = reduceFile(held, fail("ACCESS_DENIED"), 2);
    const payload = { uploadId: "u", path: "a.txt", key: "u/a.txt", state: "FAILED", size: 10, attempts: 1 };
    expect(fileNews(held, failed)).toEqual({
      event: "file:failed",
      payload: { ...payload, reason: { code: "ACCESS_DENIED", message: "m" } },
    });
  });

  test.each<[string, string[], FileAction[]]>([
    ["nothing else is", [], [claim, retry, claim, uploaded, changed, { type: "remove" }]],
    ["after attempts that did not succeed", ["INTEGRITY"], [claim, retry, claim, retry, claim, fail("INTEGRITY")]],
    [
      "what happens to it while it is FAILED is no news",
      ["INTEGRITY"],
      [claim, fail("INTEGRITY"), { type: "cleaned" }],
    ],
    [
      "again for the same reason: once",
      ["INTEGRITY"],
      [claim, fail("INTEGRITY"), requeue, claim, retry, claim, fail("INTEGRITY"), requeue, claim, fail("INTEGRITY")],
    ],
    [
      "for another reason: again",
      ["INTEGRITY", "ACCESS_DENIED"],
      [claim, fail("INTEGRITY"), requeue, claim, fail("ACCESS_DENIED"), requeue, claim, fail("INTEGRITY")],
    ],
    [
      "for the same reason once it has changed",
      ["INTEGRITY", "INTEGRITY"],
      [claim, fail("INTEGRITY"), changed, claim, fail("INTEGRITY"), requeue, claim, fail("INTEGRITY")],
    ],
    [
      "for the same reason once it was uploaded",
      ["INTEGRITY", "INTEGRITY"],
      [claim, fail("INTEGRITY"), requeue, claim, uploaded, disproved, claim, fail("INTEGRITY")],
    ],
  ])("%s", (_, codes, actions) => {
    expect(told(...actions)).toEqual(codes);
  });
});

describe("an upload", () => {
  const started = reduceUpload(upload(), { type: "start" }, 1);
  const failed = reduceUpload(started, { type: "fail", reason: { code: "BUCKET_NOT_FOUND", message: "m" } }, 2);
  const completed = reduceUpload(started, { type: "complete" }, 2);

  test("that becomes COMPLETED or FAILED is told", () => {
    expect(uploadNews(started, completed)).toEqual({
      event: "upload:completed",
      payload: { uploadId: "u", state: "COMPLETED", reason: null },
    });
    expect(uploadNews(started, failed)).toEqual({
      event: "upload:failed",
      payload: { uploadId: "u", state: "FAILED", reason: { code: "BUCKET_NOT_FOUND", message: "m" } },
    });
    expect(
      uploadNews(completed, reduceUpload(completed, { type: "fail", reason: failed.reason as never }, 3))?.event,
    ).toBe("upload:failed");
  });

  test.each<[string, UploadRecord, UploadRecord]>([
    ["one that begins", upload(), started],
    ["a completed one that is scanned", completed, reduceUpload(completed, { type: "scan", owner: "o" }, 3)],
    ["a failed one that is adjusted", failed, reduceUpload(failed, { type: "adjust", settings: { priority: 1 } }, 3)],
    ["a completed one with work again", completed, reduceUpload(completed, { type: "reopen" }, 3)],
    ["one that is cancelled", started, reduceUpload(started, { type: "cancel" }, 3)],
  ])("%s is no news", (_, before, after) => {
    expect(uploadNews(before, after)).toBeUndefined();
  });
});
