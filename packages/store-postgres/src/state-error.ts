import { type ErrorCode, StateStoreError } from "@bucketline/core";

/** What the driver or the server threw; everything else passes through the store as it is. */
export class DriverError extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
    this.name = "DriverError";
  }
}

/**
 * What a failure calls for: `unreachable` connect again and repeat · `contended` repeat the transaction · else the code
 * of the error to throw.
 */
export type Verdict = "unreachable" | "contended" | ErrorCode;

/** By SQLSTATE, or the first two characters of it (postgresql.org/docs/current/errcodes-appendix.html). */
const BY_STATE: Readonly<Record<string, Verdict>> = {
  "08": "unreachable",
  // shut down, crashed, starting up; a session cut off for idling, or for the age of its transaction
  ...{ "57P01": "unreachable", "57P02": "unreachable", "57P03": "unreachable", "57P05": "unreachable" },
  // a server that has become a standby: another one is the primary now, or soon
  "25006": "unreachable",
  ...{ "25P03": "unreachable", "25P04": "unreachable", "53300": "unreachable" },
  ...{ "40001": "contended", "40P01": "contended" },
  ...{ "57014": "STATE_BUSY", "55P03": "STATE_BUSY", "53": "STATE_BUSY" },
  "53100": "STATE_FULL",
  // credentials; no such database; it is being dropped
  ...{ "28": "STATE_NOT_WRITABLE", "3D": "STATE_NOT_WRITABLE", "57P04": "STATE_NOT_WRITABLE" },
  ...{ "42501": "STATE_NOT_WRITABLE", "58": "STATE_NOT_WRITABLE" },
  // a prepared statement that is gone, or somebody else's
  ...{ "26000": "STATE_NOT_WRITABLE", "42P05": "STATE_NOT_WRITABLE" },
  // a statement that does not fit the schema, or rows that break its rules: somebody changed it
  ...{ "42": "STATE_CORRUPT", "3F": "STATE_CORRUPT", "22": "STATE_CORRUPT", "23": "STATE_CORRUPT" },
  ...{ XX001: "STATE_CORRUPT", XX002: "STATE_CORRUPT" },
};

const UNREACHABLE =
  /^(ECONN|EPIPE$|ETIMEDOUT$|EHOSTUNREACH$|EHOSTDOWN$|ENETUNREACH$|ENETDOWN$|ENOTFOUND$|EAI_|EADDRNOTAVAIL$|ENOENT$)/;
/** The driver's own errors have no code. */
const BROKEN =
  /^Connection terminated|^timeout e|^Query read timeout|^Client (has encountered a connection error|was closed)/;
const REFUSED = /SSL|SASL|password|certificate/i;

const WHAT: Readonly<Partial<Record<ErrorCode, string>>> = {
  STATE_BUSY: "is held up by other transactions or overloaded; it may be tried again",
  STATE_FULL: "cannot grow because the server's disk is full; free some space",
  STATE_CORRUPT: "is damaged or was changed by somebody, and was left as it is; restore it from a backup",
  STATE_NOT_WRITABLE: "cannot be read and written; check the credentials, the database and the permissions",
  STATE_CLOSED: "has lost its pool, which was ended; close the store first",
  STATE_UNAVAILABLE: "does not answer; it is tried again. Check the server and the network",
};

const POOLER = ". Is it behind a pooler? Then set transactionPooler";

export function verdictOf(error: DriverError): Verdict {
  const { cause, message } = error;
  const code = codeIn(cause);
  if (/^[0-9A-Z]{5}$/.test(code) && !UNREACHABLE.test(code)) {
    if (code.startsWith("58") && /no space left/i.test(message)) return "STATE_FULL";
    return BY_STATE[code] ?? BY_STATE[code.slice(0, 2)] ?? "UNEXPECTED";
  }
  if (/^Cannot use a pool after/.test(message)) return "STATE_CLOSED";
  if (UNREACHABLE.test(code) || BROKEN.test(message)) return "unreachable";
  if (/CERT|TLS|SSL|SIGNATURE/.test(code) || REFUSED.test(message)) return "STATE_NOT_WRITABLE";
  return "UNEXPECTED";
}

/** @param place the server, database and schema, without credentials */
export function stateError(error: DriverError, place: string): StateStoreError {
  const code = codeOf(error);
  const hint = error.message.includes("prepared statement") ? POOLER : "";
  const message = `The state store ${place} ${WHAT[code] ?? "failed"}${hint} (${error.message}).`;
  return new StateStoreError(code, message, { cause: error.cause });
}

/** Whether the server answers that it cannot be written: a connection to another one may do better. */
export function isReadOnly(cause: unknown): boolean {
  return codeIn(cause) === "25006";
}

function codeOf(error: DriverError): ErrorCode {
  if (isReadOnly(error.cause)) return "STATE_NOT_WRITABLE";
  const verdict = verdictOf(error);
  if (verdict === "unreachable") return "STATE_UNAVAILABLE";
  return verdict === "contended" ? "STATE_BUSY" : verdict;
}

/** Of several addresses that were tried, each with an error of its own, Node.js gives the sum an empty message. */
function messageOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.message === "") return cause.errors.map(messageOf).join("; ");
  return cause instanceof Error ? cause.message : String(cause);
}

function codeIn(cause: unknown): string {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
}
