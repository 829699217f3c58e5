import { type ErrorCode, StateStoreError } from "@bucketline/core";

const WHAT = {
  STATE_FULL: "cannot grow because its disk is full; free some space",
  STATE_NOT_WRITABLE: "cannot be read and written; check its path, its permissions and its disk",
} as const;

/** The StateStoreError for what the file system threw; anything else comes back as it is. */
export function stateError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof StateStoreError || !("syscall" in error)) return error;
  const full = "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  const code = full ? "STATE_FULL" : "STATE_NOT_WRITABLE";
  return new StateStoreError(code, `The state store ${path} ${WHAT[code]} (${error.message}).`, { cause: error });
}

export function corrupt(file: string, what: string, options?: ErrorOptions): StateStoreError {
  return refusal("STATE_CORRUPT", `${file} ${what}. It was left as it is; restore it from a backup.`, options);
}

export function newer(file: string, version: number, known: number): StateStoreError {
  const message = `${file} has format ${version}, and this version knows formats up to ${known}. Upgrade Bucketline.`;
  return refusal("STATE_NEWER", message);
}

function refusal(code: ErrorCode, message: string, options?: ErrorOptions): StateStoreError {
  return new StateStoreError(code, message, options);
}
