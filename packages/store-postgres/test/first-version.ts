import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import type { OlderState } from "@bucketline/conformance";
import { newUpload, type UploadSpec } from "@bucketline/core";
import { MIGRATIONS } from "../src/migrations/index.ts";
import { aFile, harnessOf, sql } from "./database.ts";

const NOW = Date.UTC(2026, 0, 1);
/** Settings are text to the store: which of them a version knows is for core to say. */
const SPEC = `{"bucket":"b","maxSize":9007199254740991,"object":{"metadata":{"__proto__":"caf\\u00e9"}}}`;
const TRANSFER = { token: "t", key: "u/b", fingerprint: "1:2:100:b", partSize: 5, multipartId: "m", startedAt: NOW };
const REASON = { code: "INTEGRITY", message: "differs" } as const;
const PART = { partNumber: 1, size: 5, etag: "e", checksum: "crc32:00c0ffee" } as const;
const EVIDENCE = { etag: "e", versionId: null, checksum: "crc32:00c0ffee", uploadedAt: NOW } as const;

interface Row {
  readonly upload?: number;
  readonly path: string;
  readonly state: number;
  readonly revision: number;
  readonly key?: string;
  readonly attempts?: number;
  readonly nextAttemptAt?: number;
  readonly unstableSince?: number;
  readonly owner?: string;
  readonly fence: number;
  readonly reason?: object;
  readonly transfer?: object;
  readonly evidence?: object;
}

const bytes = (text: string) => `'\\x${Buffer.from(text).toString("hex")}'`;
const json = (value: object | undefined) => (value ? `'${JSON.stringify(value)}'` : "NULL");

/** As the first version wrote it: a statement of that time, not this version's code. */
function insertOf(schema: string, row: Row): string {
  const { upload = 1, path, key = `u/${path}`, state, revision, attempts = 0, nextAttemptAt = 0, owner } = row;
  return `INSERT INTO ${schema}.files (upload, path, long_path, state, revision, key, key_hash, size, mtime_ns, fingerprint,
      attempts, next_attempt_at, unstable_since, owner, fence, reason, transfer, has_transfer, evidence, created_at, updated_at)
    VALUES (${upload}, ${bytes(path)}, NULL, ${state}, ${revision}, ${bytes(key)}, ${crc32(key) | 0}, 100, ${NOW}000000,
      ${bytes(`1:2:100:${path}`)}, ${attempts}, ${nextAttemptAt}, ${row.unstableSince ?? "NULL"},
      ${owner === undefined ? "NULL" : bytes(owner)}, ${row.fence}, ${json(row.reason)}, ${json(row.transfer)},
      ${row.transfer !== undefined}, ${json(row.evidence)}, ${NOW}, ${NOW})`;
}

/** A state that holds something of everything and that no migration but the first has seen. */
export async function openVersion1(): Promise<OlderState> {
  const schema = `older_${randomBytes(6).toString("hex")}`;
  const rows: Row[] = [
    { path: "a", state: 0, revision: 1, fence: 0, unstableSince: NOW },
    { path: "b", state: 1, revision: 5, attempts: 1, owner: "dead", fence: 2, transfer: TRANSFER },
    { path: "c", state: 2, revision: 7, fence: 1, evidence: EVIDENCE },
    { path: "d", state: 3, revision: 4, attempts: 3, nextAttemptAt: NOW, fence: 3, reason: REASON },
    { upload: 2, path: "e", state: 5, revision: 2, key: "", fence: 0 },
  ];
  const uploads = `INSERT INTO ${schema}.uploads
      (id, state, revision, cleanup_due, created_at, updated_at, finished_at, spec, reason, last_scan, scanner)
    VALUES (${bytes("u")}, 1, 3, false, ${NOW}, ${NOW}, NULL, '${SPEC}', NULL, NULL, ${bytes("host-1")}),
           (${bytes("v")}, 5, 4, true, ${NOW}, ${NOW}, ${NOW}, '${SPEC}', ${json(REASON)}, NULL, NULL)`;
  const rest = `INSERT INTO ${schema}.parts VALUES (1, ${bytes("b")}, 1, 5, ${bytes("e")}, ${bytes(PART.checksum)});
    INSERT INTO ${schema}.counters VALUES (1, 0, 1, 1, 100), (1, 1, 1, 1, 100), (1, 2, 7, 1, 100), (1, 3, 7, 1, 100), (2, 5, 1, 1, 100);
    INSERT INTO ${schema}.ledger (application, version) VALUES ('bucketline', 1)`;
  const inserts = [uploads, ...rows.map((row) => insertOf(schema, row)), rest].join(";\n");
  await sql(`CREATE SCHEMA ${schema}; ${MIGRATIONS[0]?.(schema)}; ${inserts}`);
  const spec = JSON.parse(SPEC) as UploadSpec;
  const cancelled = { state: "CANCELLED", revision: 4, cleanupDue: true, finishedAt: NOW, reason: REASON } as const;
  const evidence = { ...EVIDENCE, key: "u/c", size: 100, fingerprint: "1:2:100:c" };
  return {
    harness: await harnessOf(schema),
    uploads: [
      { ...newUpload("u", spec, NOW), state: "IN_PROGRESS", revision: 3, scanner: "host-1" },
      { ...newUpload("v", spec, NOW), ...cancelled },
    ],
    files: [
      aFile("a", { unstableSince: NOW }),
      aFile("b", { state: "IN_PROGRESS", revision: 5, attempts: 1, owner: "dead", fence: 2, transfer: TRANSFER }),
      aFile("c", { state: "UPLOADED", revision: 7, fence: 1, evidence }),
      aFile("d", { state: "FAILED", revision: 4, attempts: 3, nextAttemptAt: NOW, fence: 3, reason: REASON }),
      aFile("e", { uploadId: "v", state: "REMOVED", revision: 2, key: "" }),
    ],
    parts: { u: { b: [PART] } },
  };
}
