import { NOTICE_CODE } from "../states.ts";

/**
 * What befell a file (null when nothing did, as for most files), and what subscribers are still to be told. Notices that
 * are due and those that were given up lie apart in every index, so that many of one kind never stand before the other.
 * They come and go: vacuum comes early here, too.
 */
export const notices = (schema: string): string => `
ALTER TABLE ${schema}.files ADD COLUMN history json;

CREATE TABLE ${schema}.notices (
  id bytea PRIMARY KEY,
  subscriber bytea NOT NULL,
  event bytea NOT NULL,
  payload json NOT NULL,
  state int2 NOT NULL,
  revision int8 NOT NULL,
  attempts int8 NOT NULL,
  next_attempt_at int8 NOT NULL,
  reason json,
  created_at int8 NOT NULL,
  updated_at int8 NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX notices_due ON ${schema}.notices (subscriber, next_attempt_at, id) WHERE state = ${NOTICE_CODE.DUE};
CREATE INDEX notices_by_state ON ${schema}.notices (state, id);
CREATE INDEX notices_of_subscriber ON ${schema}.notices (subscriber, state, id);
`;
