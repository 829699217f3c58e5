import type { FileState, NoticeState, UploadState } from "@bucketline/core";

/** How file states are written. Numbers are part of the file format: new states get new numbers. */
export const FILE_CODE: Readonly<Record<FileState, number>> = {
  PENDING: 0,
  IN_PROGRESS: 1,
  UPLOADED: 2,
  FAILED: 3,
  SKIPPED: 4,
  REMOVED: 5,
};

/** How upload states are written. The same rule holds. */
export const UPLOAD_CODE: Readonly<Record<UploadState, number>> = {
  PENDING: 0,
  IN_PROGRESS: 1,
  COMPLETED: 2,
  FAILED: 3,
  PAUSED: 4,
  CANCELLED: 5,
};

/** How notice states are written. The same rule holds. */
export const NOTICE_CODE: Readonly<Record<NoticeState, number>> = { DUE: 0, DEAD: 1 };

export const fileStateOf = reader(FILE_CODE);
export const uploadStateOf = reader(UPLOAD_CODE);
export const noticeStateOf = reader(NOTICE_CODE);

function reader<State extends string>(codes: Readonly<Record<State, number>>): (code: number) => State {
  const names = new Map(Object.entries<number>(codes).map(([name, code]) => [code, name as State]));
  return (code) => {
    const name = names.get(code);
    if (name === undefined) throw new RangeError(`The state store has a state numbered ${code}, which does not exist.`);
    return name;
  };
}
