import {
  BucketlineError,
  InputError,
  type ObjectErrorKind,
  ObjectStoreError,
  SourceError,
  StepError,
} from "./errors.ts";
import { Crowded } from "./pipeline/room.ts";
import type { Random } from "./ports/clock.ts";
import type { UploadMode } from "./upload.ts";

/** How often a file is tried, and how long it waits in between. */
export interface RetryPolicy {
  /** Transfers begun for one file before it is FAILED. Each makes up to three requests per operation. */
  readonly attempts: number;
  /** Milliseconds. */
  readonly baseMs: number;
  readonly capMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseMs: 1_000, capMs: 60_000 };

/**
 * Exponential backoff with equal jitter: half of the doubled delay is kept, half is random
 * (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 * @param attempt how many attempts have failed, from 1
 * @returns milliseconds
 */
export function backoff(attempt: number, policy: Pick<RetryPolicy, "baseMs" | "capMs">, random: Random): number {
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}

/**
 * What follows from a failed attempt.
 * `retry` the file later (`burnt`: it counts as an attempt) · `hold` the whole upload for a while; nothing counts ·
 * `denied`: this file, or all of them; the others will tell · `failFile` for good · `failUpload`: no file could succeed ·
 * `remove`: the source is gone · `skip`: not ours to send · `reject`: its pipeline refuses the file until it changes ·
 * `wait`: something that the file needs is not to be had at the moment; nothing counts.
 */
export type Verdict =
  | { readonly type: "retry"; readonly burnt: boolean }
  | { readonly type: "hold" }
  | { readonly type: "denied" }
  | { readonly type: "failFile" }
  | { readonly type: "failUpload" }
  | { readonly type: "remove" }
  | { readonly type: "skip" }
  | { readonly type: "reject" }
  | { readonly type: "wait" };

/**
 * | kind                                                   | verdict                       |
 * |--------------------------------------------------------|-------------------------------|
 * | transient, throttled, integrity, conflict, notFound    | retry, burnt                  |
 * | credentials                                            | hold                          |
 * | denied                                                 | denied                        |
 * | bucketMissing, wrongRegion                             | fail the upload               |
 * | precondition                                           | skip: the object is there     |
 * | rejected, unsupported                                  | fail the file                 |
 */
const VERDICT_OF_KIND: Readonly<Record<ObjectErrorKind, Verdict>> = {
  transient: { type: "retry", burnt: true },
  throttled: { type: "retry", burnt: true },
  integrity: { type: "retry", burnt: true },
  conflict: { type: "retry", burnt: true },
  notFound: { type: "retry", burnt: true },
  credentials: { type: "hold" },
  bucketMissing: { type: "failUpload" },
  denied: { type: "denied" },
  wrongRegion: { type: "failUpload" },
  precondition: { type: "skip" },
  rejected: { type: "failFile" },
  unsupported: { type: "failFile" },
};

/** @param mode of the upload: only in a watched folder may a file be waited for until it is quiet */
export function judge(error: unknown, mode: UploadMode): Verdict {
  if (error instanceof ObjectStoreError) return VERDICT_OF_KIND[error.kind];
  if (error instanceof SourceError) return judgeSource(error, mode);
  if (error instanceof InputError) return { type: "failFile" };
  if (error instanceof BucketlineError) return judgePipeline(error);
  return { type: "retry", burnt: true };
}

/**
 * | code                                   | verdict                                      |
 * |----------------------------------------|----------------------------------------------|
 * | FILE_REJECTED                          | reject                                       |
 * | STEP_UNAVAILABLE                       | wait                                         |
 * | SPOOL_FULL                             | wait; fail the file if it alone is too large |
 * | SPOOL_NOT_WRITABLE, PIPELINE_UNKNOWN   | hold                                         |
 * | STEP_FAILED, STEP_TIMEOUT, and others  | retry, burnt                                 |
 */
function judgePipeline(error: BucketlineError): Verdict {
  switch (error.code) {
    case "FILE_REJECTED":
      return { type: "reject" };
    case "STEP_UNAVAILABLE":
      return { type: "wait" };
    case "SPOOL_FULL":
      return error instanceof StepError && !(error instanceof Crowded) ? { type: "failFile" } : { type: "wait" };
    case "SPOOL_NOT_WRITABLE":
    case "PIPELINE_UNKNOWN":
      return { type: "hold" };
    default:
      return { type: "retry", burnt: true };
  }
}

function judgeSource(error: SourceError, mode: UploadMode): Verdict {
  switch (error.code) {
    case "SOURCE_NOT_FOUND":
      return { type: "remove" };
    case "SOURCE_CHANGED":
      return { type: "retry", burnt: mode === "once" };
    case "SOURCE_NOT_REGULAR":
    case "SOURCE_OUTSIDE_ROOT":
      return { type: "skip" };
    default:
      return { type: "retry", burnt: true };
  }
}
