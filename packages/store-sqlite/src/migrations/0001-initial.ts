import { FILE_CODE } from "../states.ts";

/**
 * Files are clustered by upload and path, so that a scan reads them as they lie on disk. Claims read `files_pending`;
 * rescues and listings by state read `files_by_state`, which costs 4 µs over a file's life and saves reading a million
 * rows to find ten. `key_hash` is null, and out of its index, until somebody asks for a key (see KeyHashes).
 * Nanosecond times are split into seconds and nanoseconds: both are plain numbers, which spares BigInt in every row and
 * leaves room for years after 2262. Evidence that equals the file's own key, size or fingerprint is null.
 */
export const initial = `
CREATE TABLE uploads (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  cleanup_due INTEGER NOT NULL,
  keys_hashed INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  finished_at INTEGER,
  spec TEXT NOT NULL,
  reason TEXT,
  last_scan TEXT
) STRICT;

CREATE TABLE files (
  upload INTEGER NOT NULL,
  path TEXT NOT NULL,
  state INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  key TEXT NOT NULL,
  key_hash INTEGER,
  size INTEGER NOT NULL,
  mtime_s INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt_at INTEGER NOT NULL,
  owner TEXT,
  fence INTEGER NOT NULL,
  reason TEXT,
  transfer TEXT,
  evidence_key TEXT,
  evidence_size INTEGER,
  evidence_etag TEXT,
  evidence_version TEXT,
  evidence_checksum TEXT,
  evidence_fingerprint TEXT,
  evidence_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (upload, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX files_pending ON files (upload, next_attempt_at, path) WHERE state = ${FILE_CODE.PENDING};
CREATE INDEX files_by_state ON files (upload, state, path);
CREATE INDEX files_transfer ON files (upload, path) WHERE transfer IS NOT NULL;
CREATE INDEX files_key ON files (upload, key_hash) WHERE key_hash IS NOT NULL;

CREATE TABLE parts (
  upload INTEGER NOT NULL,
  path TEXT NOT NULL,
  number INTEGER NOT NULL,
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  checksum TEXT NOT NULL,
  PRIMARY KEY (upload, path, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
  upload INTEGER NOT NULL,
  state INTEGER NOT NULL,
  files INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (upload, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE owners (
  name TEXT PRIMARY KEY,
  lease_ms INTEGER NOT NULL,
  beat_wall INTEGER NOT NULL,
  beat_monotonic INTEGER NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  pid_space TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;
