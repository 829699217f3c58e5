import { ObjectStoreError } from "../errors.ts";
import type { Clock, Random } from "../ports/clock.ts";
import type { ListRequest, ObjectStore } from "../ports/object-store.ts";
import { type CallRequest, decorated, type Listed, type Listing, type Operation } from "./decorated.ts";

/** How often a failed call of an object store is repeated, and after how long. */
export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Requests per call, the first included. Default 3. */
  readonly attempts?: number;
  /** Milliseconds. The n-th pause is a random share of `baseMs` · 2^(n-1), at most of `capMs`. Defaults 100 and 5,000. */
  readonly baseMs?: number;
  readonly capMs?: number;
  /** Told before each pause. `attempt` says how many have failed; `body` is what is sent again. */
  readonly onRetry?: (error: ObjectStoreError, attempt: number, delayMs: number, body: Uint8Array | undefined) => void;
}

/** However long a store asks to wait, a call does not wait longer than this before its next attempt. */
const LONGEST_PAUSE_MS = 60_000;

/**
 * Repeats calls that failed for a moment only: `transient` and `throttled`, with exponential backoff and full jitter
 * (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), never sooner than the store asks.
 *
 * - `putStream` is never repeated: its body is gone. `createMultipart` is not repeated after an ambiguous failure: there
 *   could then be two multipart uploads, which only the caller can settle.
 * - `deleteObject` is never repeated: what was right to delete may not be any more. Its caller has to look again first.
 * - `listObjects` goes on behind the last key it has given, and every key it gives makes it whole again: a listing of a
 *   thousand pages is not begun anew because one fails. `listMultiparts` is repeated only before its first item.
 * - Once an attempt of a call was ambiguous, so is the error the call ends with, whatever the last attempt said: a
 *   412 or 404 may be the answer to our own first write.
 * - An aborted signal ends a pause at once with its reason.
 */
export function withRetries(objects: ObjectStore, options: RetryOptions): ObjectStore {
  return decorated(objects, {
    call: (operation, request, proceed) => retry(operation, request, () => proceed(request), options),
    list: (listing, request, proceed) => listAgain(listing, request, proceed, options),
  });
}

async function retry<T>(
  operation: Operation | Listing,
  request: CallRequest,
  proceed: () => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  let ambiguous = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await proceed();
    } catch (error) {
      if (!(error instanceof ObjectStoreError)) throw error;
      const final = ambiguous && !error.ambiguous ? madeAmbiguous(error) : error;
      ambiguous ||= error.ambiguous;
      if (attempt >= (options.attempts ?? 3) || !repeatable(operation, error)) throw final;
      const delayMs = pauseAfter(attempt, error, options);
      options.onRetry?.(error, attempt, delayMs, bodyOf(request));
      await options.clock.sleep(delayMs, request.signal);
    }
    request.signal?.throwIfAborted();
  }
}

function bodyOf(request: CallRequest): Uint8Array | undefined {
  return "body" in request && request.body instanceof Uint8Array ? request.body : undefined;
}

/**
 * | operation         | transient, throttled | also ambiguous | anything else |
 * |-------------------|----------------------|----------------|---------------|
 * | putStream         | no                   | no             | no            |
 * | deleteObject      | no                   | no             | no            |
 * | createMultipart   | yes                  | no             | no            |
 * | all others        | yes                  | yes            | no            |
 */
function repeatable(operation: Operation | Listing, error: ObjectStoreError): boolean {
  if (error.kind !== "transient" && error.kind !== "throttled") return false;
  if (operation === "putStream" || operation === "deleteObject") return false;
  return operation !== "createMultipart" || !error.ambiguous;
}

function pauseAfter(
  attempt: number,
  error: ObjectStoreError,
  { baseMs = 100, capMs = 5_000, random }: RetryOptions,
): number {
  const jittered = random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(Math.max(jittered, Math.min(error.retryAfterMs ?? 0, LONGEST_PAUSE_MS)));
}

function madeAmbiguous(error: ObjectStoreError): ObjectStoreError {
  const { kind, operation, bucket, key, status, providerCode, requestId, retryAfterMs } = error;
  return new ObjectStoreError(
    { kind, operation, bucket, key, status, providerCode, requestId, retryAfterMs, ambiguous: true },
    `an earlier attempt may have succeeded although it failed; the last one failed with: ${error.message}`,
    { cause: error },
  );
}

async function* listAgain<R extends ListRequest, T extends Listed>(
  listing: Listing,
  request: R,
  proceed: (request: R) => AsyncIterable<T>,
  options: RetryOptions,
): AsyncGenerator<T> {
  let last: string | undefined;
  let iterator: AsyncIterator<T> | undefined;
  const next = async () => {
    iterator ??= proceed(last === undefined ? request : { ...request, after: last })[Symbol.asyncIterator]();
    try {
      return await iterator.next();
    } catch (error) {
      iterator = undefined;
      throw error;
    }
  };
  try {
    for (;;) {
      const resumable = listing === "listObjects" || last === undefined;
      const step = await (resumable ? retry(listing, request, next, options) : next());
      if (step.done) return;
      last = step.value.key;
      yield step.value;
    }
  } finally {
    await iterator?.return?.();
  }
}
