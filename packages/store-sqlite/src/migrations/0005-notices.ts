import { NOTICE_CODE } from "../states.ts";

/**
 * What befell a file (JSON; null when nothing did, as for most files), and what subscribers are still to be told. Notices
 * that are due and those that were given up lie apart in every index, so that many of one kind never stand before the
 * other.
 */
export const notices = `
ALTER TABLE files ADD COLUMN history TEXT;

CREATE TABLE notices (
  id TEXT PRIMARY KEY,
  subscriber TEXT NOT NULL,
  event TEXT NOT NULL,
  payload TEXT NOT NULL,
  state INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt_at INTEGER NOT NULL,
  reason TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_due ON notices (subscriber, next_attempt_at, id) WHERE state = ${NOTICE_CODE.DUE};
CREATE INDEX notices_by_state ON notices (state, id);
CREATE INDEX notices_of_subscriber ON notices (subscriber, state, id);
`;
