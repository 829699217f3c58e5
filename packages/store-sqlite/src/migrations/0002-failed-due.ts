import { FILE_CODE } from "../states.ts";

/** Every check of a folder asks which failed files are due again, mostly in vain: a look at the first entry answers it. */
export const failedDue = `
CREATE INDEX files_failed ON files (upload, next_attempt_at) WHERE state = ${FILE_CODE.FAILED};
`;
