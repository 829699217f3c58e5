import { FILE_CODE } from "../states.ts";

/**
 * Texts are bytes and JSON (see text.ts), so any encoding and collation of the database will do. `path` is the path's key;
 * `long_path` the path itself where that is longer.
 *
 * A file is updated some three times. An update that changes no column of any index stays on its page and touches no
 * index (HOT): hence `has_transfer`, which changes less often than `transfer`, and the room that `fillfactor` leaves.
 * IN_PROGRESS rows have a small index of their own, so that claims do not write into the big one.
 * Vacuum comes early, since claims read past the dead entries of `files_pending`.
 *
 * `counters` and `commits` have a row per shard or slot, so that transactions do not wait for one another's commit; few
 * rows, updated all the time, hence half-empty pages.
 */
export const initial = (schema: string): string => `
CREATE TABLE ${schema}.ledger (
  application text NOT NULL,
  version int4 NOT NULL
);

CREATE TABLE ${schema}.uploads (
  seq int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id bytea NOT NULL UNIQUE,
  state int2 NOT NULL,
  revision int8 NOT NULL,
  cleanup_due bool NOT NULL,
  created_at int8 NOT NULL,
  updated_at int8 NOT NULL,
  finished_at int8,
  spec json NOT NULL,
  reason json,
  last_scan json,
  scanner bytea
) WITH (fillfactor = 70);

CREATE TABLE ${schema}.files (
  upload int4 NOT NULL,
  path bytea NOT NULL,
  long_path bytea,
  state int2 NOT NULL,
  revision int8 NOT NULL,
  key bytea NOT NULL,
  key_hash int4 NOT NULL,
  size int8 NOT NULL,
  mtime_ns numeric NOT NULL,
  fingerprint bytea NOT NULL,
  attempts int8 NOT NULL,
  next_attempt_at int8 NOT NULL,
  unstable_since int8,
  owner bytea,
  fence int8 NOT NULL,
  reason json,
  transfer json,
  has_transfer bool NOT NULL,
  evidence json,
  created_at int8 NOT NULL,
  updated_at int8 NOT NULL,
  PRIMARY KEY (upload, path)
) WITH (
  fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_insert_scale_factor = 0.1
);

CREATE INDEX files_pending ON ${schema}.files (upload, next_attempt_at, path) WHERE state = ${FILE_CODE.PENDING};
CREATE INDEX files_held ON ${schema}.files (upload, path) WHERE state = ${FILE_CODE.IN_PROGRESS};
CREATE INDEX files_by_state ON ${schema}.files (upload, state, path) WHERE state <> ${FILE_CODE.IN_PROGRESS};
CREATE INDEX files_failed ON ${schema}.files (upload, next_attempt_at) WHERE state = ${FILE_CODE.FAILED};
CREATE INDEX files_transfer ON ${schema}.files (upload, path) WHERE has_transfer;
CREATE INDEX files_key ON ${schema}.files (upload, key_hash);

CREATE TABLE ${schema}.parts (
  upload int4 NOT NULL,
  path bytea NOT NULL,
  number int4 NOT NULL,
  size int8 NOT NULL,
  etag bytea NOT NULL,
  checksum bytea NOT NULL,
  PRIMARY KEY (upload, path, number)
);

CREATE TABLE ${schema}.counters (
  upload int4 NOT NULL,
  state int2 NOT NULL,
  shard int2 NOT NULL,
  files int8 NOT NULL,
  bytes int8 NOT NULL,
  PRIMARY KEY (upload, state, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.2);

CREATE TABLE ${schema}.commits (
  handle bytea NOT NULL,
  slot int4 NOT NULL,
  token int8 NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (handle, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.2);

CREATE TABLE ${schema}.owners (
  name bytea PRIMARY KEY,
  beat_at timestamptz NOT NULL,
  lease interval NOT NULL
) WITH (fillfactor = 50);
`;

export const INITIAL_TABLES: readonly string[] = [
  "ledger",
  "uploads",
  "files",
  "parts",
  "counters",
  "commits",
  "owners",
];
