/**
 * What the steps of a file's pipeline did (JSON; null without one), and the checksum of its own bytes where the object holds
 * other ones.
 */
export const steps = `
ALTER TABLE files ADD COLUMN steps TEXT;
ALTER TABLE files ADD COLUMN evidence_source TEXT;
`;
