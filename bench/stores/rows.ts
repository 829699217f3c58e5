import {
  type Evidence,
  type FileRecord,
  newFile,
  newUpload,
  reduceFile,
  reduceUpload,
  type SourceFacts,
  type UploadRecord,
} from "@bucketline/core";
import { SPEC } from "../../packages/core/test/support/records.ts";

export const UPLOAD_ID = "bench";
const FOLDER_SIZE = 1_000;
const NOW = Date.UTC(2026, 0, 1);
const MS = 1_000_000n;

export function startedUpload(): UploadRecord {
  return reduceUpload(newUpload(UPLOAD_ID, SPEC, NOW), { type: "start" }, NOW);
}

/** Paths ascend with `index` byte by byte, as a scan finds them. */
export function pathAt(index: number): string {
  const folder = String(Math.floor(index / FOLDER_SIZE)).padStart(5, "0");
  return `2026/session-${folder}/photo-${String(index).padStart(8, "0")}.jpg`;
}

export function factsAt(index: number): SourceFacts {
  const size = 20_000 + ((index * 7_919) % 4_000_000);
  const mtimeNs = BigInt(NOW - index) * MS + BigInt((index * 104_729) % 1_000_000);
  return { size, mtimeNs, fingerprint: `66306:${9_000_000 + index}:${size}:${mtimeNs}:${mtimeNs + 1_234_567n}` };
}

export function newRow(index: number): FileRecord {
  const path = pathAt(index);
  return newFile({ uploadId: UPLOAD_ID, path, key: `${UPLOAD_ID}/${path}`, ...factsAt(index) }, NOW);
}

export function claimed(file: FileRecord, owner: string): FileRecord {
  return reduceFile(file, { type: "claim", owner }, NOW);
}

/** As the worker records a small file: with the evidence, and without parts. */
export function uploaded(file: FileRecord): FileRecord {
  const { key, size, mtimeNs, fingerprint } = file;
  const crc = (size * 2_654_435_761) % 2 ** 32;
  const hex = crc.toString(16).padStart(8, "0");
  const evidence: Evidence = {
    key,
    size,
    fingerprint,
    etag: `"${hex}${hex}${hex}${hex}"`,
    versionId: null,
    checksum: `crc32:${hex}`,
    uploadedAt: NOW,
  };
  return reduceFile(file, { type: "uploaded", evidence, facts: { size, mtimeNs, fingerprint } }, NOW);
}
