import { join } from "node:path";
import type { OlderState } from "@bucketline/conformance";
import { newUpload, type UploadSpec } from "@bucketline/core";
import Database from "better-sqlite3";
import { migrate } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations/index.ts";
import { aFile, harnessOf, NOW, testFolder } from "./folder.ts";

/** Settings are text to the store: which of them a version knows is for core to say. */
const SPEC = `{"bucket":"b","pattern":["**"],"maxSize":9007199254740991,"object":{"metadata":{"__proto__":"caf\u00e9 \u{1f5fb}"}}}`;
const TRANSFER = { token: "t", key: "u/b", fingerprint: "1:2:100:b", partSize: 5, multipartId: "m", startedAt: NOW };
const REASON = { code: "INTEGRITY", message: "differs" } as const;
const PART = { partNumber: 1, size: 5, etag: "e", checksum: "crc32:00c0ffee" } as const;

/** As the first version wrote them: statements of that time, not this version's code. */
const ROWS = `
  INSERT INTO uploads (seq, id, state, revision, cleanup_due, created_at, updated_at, finished_at, spec, reason, last_scan)
    VALUES (1, 'u', 1, 3, 0, ${NOW}, ${NOW}, NULL, $spec, NULL, NULL),
           (2, 'v', 5, 4, 1, ${NOW}, ${NOW}, ${NOW}, $spec, $reason, NULL);
`;
const FILES = `
  INSERT INTO files (upload, path, state, revision, key, size, mtime_s, mtime_ns, fingerprint, attempts, next_attempt_at,
      owner, fence, reason, transfer, evidence_etag, evidence_checksum, evidence_at, created_at, updated_at)
    VALUES (1, 'a', 0, 1, 'u/a', 100, ${NOW / 1_000}, 0, '1:2:100:a', 0, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, ${NOW}, ${NOW}),
           (1, 'b', 1, 5, 'u/b', 100, ${NOW / 1_000}, 0, '1:2:100:b', 1, 0, 'dead', 2, NULL, $transfer, NULL, NULL, NULL, ${NOW}, ${NOW}),
           (1, 'c', 2, 7, 'u/c', 100, ${NOW / 1_000}, 0, '1:2:100:c', 0, 0, NULL, 1, NULL, NULL, 'e', 'crc32:00c0ffee', ${NOW}, ${NOW}, ${NOW}),
           (1, 'd', 3, 4, 'u/d', 100, ${NOW / 1_000}, 0, '1:2:100:d', 3, ${NOW}, NULL, 3, $reason, NULL, NULL, NULL, NULL, ${NOW}, ${NOW}),
           (2, 'e', 5, 2, '', 100, ${NOW / 1_000}, 0, '1:2:100:e', 0, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, ${NOW}, ${NOW});
`;
const REST = `
  INSERT INTO parts VALUES (1, 'b', 1, 5, 'e', 'crc32:00c0ffee');
  INSERT INTO counters VALUES (1, 0, 1, 100), (1, 1, 1, 100), (1, 2, 1, 100), (1, 3, 1, 100), (2, 5, 1, 100);
`;

/** A database that holds something of everything and that no migration but the first has seen. */
export async function openVersion1(): Promise<OlderState> {
  const path = join(testFolder(), "first.db");
  const db = new Database(path);
  migrate(db, path, MIGRATIONS.slice(0, 1));
  const reason = JSON.stringify(REASON);
  db.prepare(ROWS).run({ spec: SPEC, reason });
  db.prepare(FILES).run({ transfer: JSON.stringify(TRANSFER), reason });
  db.exec(REST);
  db.close();
  const spec = JSON.parse(SPEC) as UploadSpec;
  const cancelled = { state: "CANCELLED", revision: 4, cleanupDue: true, finishedAt: NOW, reason: REASON } as const;
  const evidence = { key: "u/c", size: 100, etag: "e", versionId: null, fingerprint: "1:2:100:c", uploadedAt: NOW };
  return {
    harness: await harnessOf(path),
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
