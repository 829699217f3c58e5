/** Who scans an upload, so that two processes never scan it at once. */
export const scanner = `
ALTER TABLE uploads ADD COLUMN scanner TEXT;
`;
