import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { OlderState } from "@bucketline/conformance";
import { newUpload, type UploadSpec } from "@bucketline/core";
import { aFile, harnessOf, NOW, testFolder } from "./folder.ts";

/** A snapshot and a journal, as they were written when files had no history and there were no notices. */
const STATE = fileURLToPath(new URL("before-notices", import.meta.url));

const SPEC = `{"bucket":"b","pattern":["**"],"maxSize":9007199254740991,"object":{"metadata":{"__proto__":"caf\u00e9 \u{1f5fb}"}}}`;
const TRANSFER = { token: "t", key: "u/b", fingerprint: "1:2:100:b", partSize: 5, multipartId: "m", startedAt: NOW };
const REASON = { code: "INTEGRITY", message: "differs" } as const;
const PART = { partNumber: 1, size: 5, etag: "e", checksum: "crc32:00c0ffee" } as const;

export async function openBeforeNotices(): Promise<OlderState> {
  const folder = testFolder();
  cpSync(STATE, folder, { recursive: true });
  const spec = JSON.parse(SPEC) as UploadSpec;
  const cancelled = { state: "CANCELLED", revision: 4, cleanupDue: true, finishedAt: NOW, reason: REASON } as const;
  const evidence = { key: "u/c", size: 100, etag: "e", versionId: null, fingerprint: "1:2:100:c", uploadedAt: NOW };
  return {
    harness: await harnessOf(join(folder, "uploads")),
    uploads: [
      { ...newUpload("u", spec, NOW), state: "IN_PROGRESS", revision: 3 },
      { ...newUpload("v", spec, NOW), ...cancelled },
    ],
    files: [
      aFile("a"),
      aFile("b", { state: "IN_PROGRESS", revision: 5, attempts: 1, owner: "dead", fence: 2, transfer: TRANSFER }),
      aFile("c", { state: "UPLOADED", revision: 7, fence: 1, evidence: { ...evidence, checksum: "crc32:00c0ffee" } }),
      aFile("d", { state: "FAILED", revision: 4, attempts: 3, nextAttemptAt: NOW, fence: 3, reason: REASON }),
      aFile("e", { uploadId: "v", state: "REMOVED", revision: 2, key: "" }),
    ],
    parts: { u: { b: [PART] } },
  };
}
