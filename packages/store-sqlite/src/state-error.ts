import { type ErrorCode, StateStoreError } from "@bucketline/core";

const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "STATE_FULL",
  EDQUOT: "STATE_FULL",
  ...Object.fromEntries(
    ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "ENOENT", "ELOOP", "ENAMETOOLONG", "EMFILE", "ENFILE", "EIO"].map(
      (code) => [code, "STATE_NOT_WRITABLE"],
    ),
  ),
};

const WHAT: Readonly<Partial<Record<ErrorCode, string>>> = {
  STATE_BUSY: "is locked by another process; it may be tried again",
  STATE_FULL: "cannot grow because its disk is full; free some space",
  STATE_CORRUPT: "is damaged and was left as it is; restore it from a backup",
  STATE_NOT_WRITABLE: "cannot be read and written; check its path, its permissions and its disk",
};

/** The StateStoreError for what SQLite or the file system threw; what neither threw comes back as it is. */
export function stateError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof StateStoreError) return error;
  const code = errorCodeOf(error);
  if (code === undefined) return error;
  return new StateStoreError(code, `The state store ${path} ${WHAT[code]} (${error.message}).`, { cause: error });
}

function errorCodeOf(error: Error & { code?: unknown }): ErrorCode | undefined {
  const code = typeof error.code === "string" ? error.code : "";
  if (!code.startsWith("SQLITE_")) return "syscall" in error ? (SYSTEM_CODES[code] ?? "STATE_NOT_WRITABLE") : undefined;
  if (/^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)) return "STATE_BUSY";
  // Growing the shared-memory file is what fails first on some full disks.
  if (/^SQLITE_(FULL|IOERR_SHMSIZE)/.test(code)) return "STATE_FULL";
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH|IOERR|NOLFS)/.test(code)) return "STATE_NOT_WRITABLE";
  // A statement that does not fit the schema (SQLITE_ERROR) means that somebody changed the schema.
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT|ERROR|SCHEMA|CONSTRAINT|MISMATCH)/.test(code)) return "STATE_CORRUPT";
  return undefined;
}
