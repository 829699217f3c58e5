import { ObjectStoreError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { ListRequest, ObjectStore, PutStreamRequest } from "../ports/object-store.ts";
import { Alarm } from "./alarm.ts";
import { type CallRequest, decorated, type Listing, type Operation } from "./decorated.ts";

/** How long calls of an object store may take. */
export interface DeadlineOptions {
  readonly clock: Clock;
  /** Time every call has, in milliseconds. Default 30,000. */
  readonly baseMs?: number;
  /** Slowest connection worth keeping: a body of n bytes adds n / `minBytesPerSecond` seconds. Default 65,536. */
  readonly minBytesPerSecond?: number;
  /**
   * Time `completeMultipart` has, in milliseconds. Default 300,000: S3 may take several minutes to put an object
   * together (API reference, CompleteMultipartUpload).
   */
  readonly completeMs?: number;
}

const WRITES: ReadonlySet<string> = new Set<Operation>([
  "putObject",
  "putStream",
  "deleteObject",
  "createMultipart",
  "uploadPart",
  "completeMultipart",
  "abortMultipart",
]);

/** A stream's parts travel side by side and share the connection's rate; this many at most are waited for at once. */
const STREAM_PARTS_IN_FLIGHT = 4;

/**
 * Gives every call a deadline that fires whatever the store inside does: its signal is aborted and the call rejects with
 * ObjectStoreError `transient`, ambiguous for a write. A store that ignores its signal may go on reading the body.
 *
 * - `putStream` has its time anew whenever its source has delivered; waiting for the source does not count.
 * - `listObjects` and `listMultiparts` have their time for each item.
 * - A caller's own signal rejects at once with its own reason. No timer outlives the calls.
 */
export function withDeadlines(objects: ObjectStore, options: DeadlineOptions): ObjectStore {
  const { clock, baseMs = 30_000, minBytesPerSecond = 65_536, completeMs = 300_000 } = options;
  const alarm = new Alarm(clock);
  const limitFor = (bytes: number) => baseMs + Math.ceil((bytes / minBytesPerSecond) * 1000);
  const limitOf = (operation: Operation, request: CallRequest) => {
    if (operation === "completeMultipart") return completeMs;
    if (operation === "putStream") return limitFor(STREAM_PARTS_IN_FLIGHT * (request as PutStreamRequest).partSize);
    return limitFor("body" in request && request.body instanceof Uint8Array ? request.body.length : 0);
  };
  return decorated(objects, {
    async call(operation, request, proceed) {
      const deadline = new Deadline(alarm, operation, request, limitOf(operation, request));
      try {
        const body =
          operation === "putStream" ? { body: deadline.watch((request as unknown as PutStreamRequest).body) } : {};
        return await deadline.bound(() => proceed({ ...request, ...body, signal: deadline.signal }));
      } finally {
        deadline.end();
      }
    },
    list: (listing, request, proceed) => listInTime(alarm, listing, request, proceed, baseMs),
  });
}

async function* listInTime<R extends ListRequest, T>(
  alarm: Alarm,
  listing: Listing,
  request: R,
  proceed: (request: R) => AsyncIterable<T>,
  limitMs: number,
): AsyncGenerator<T> {
  const deadline = new Deadline(alarm, listing, request, limitMs);
  const iterator = proceed({ ...request, signal: deadline.signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      deadline.renew();
      const step = await deadline.bound(() => iterator.next());
      if (step.done) return;
      deadline.pause();
      yield step.value;
    }
  } finally {
    deadline.end();
    // Not awaited: an iterator that hangs in next() never answers its return() either.
    iterator.return?.().catch(() => {});
  }
}

/** The deadline of one call: a signal for the store inside, and the promise that loses against it. */
class Deadline {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #alarm: Alarm;
  readonly #outer: AbortSignal | undefined;
  readonly #limitMs: number;
  readonly #expire: () => void;
  #entry: ReturnType<Alarm["set"]> | undefined;
  #rejectCall: ((reason: unknown) => void) | undefined;
  #ended = false;

  constructor(alarm: Alarm, operation: string, request: CallRequest, limitMs: number) {
    this.#alarm = alarm;
    this.#limitMs = limitMs;
    this.#outer = request.signal;
    this.signal = this.#controller.signal;
    this.#expire = () => this.#stop(expired(operation, request, limitMs));
    this.#entry = alarm.set(limitMs, this.#expire);
    if (this.#outer?.aborted) this.#forward();
    else this.#outer?.addEventListener("abort", this.#forward, { once: true });
  }

  /** What `work` resolves to, or the deadline's or the caller's reason, whichever comes first. */
  bound<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.signal.aborted) return reject(this.signal.reason);
      this.#rejectCall = reject;
      work().then(resolve, reject);
    });
  }

  /** The stream as the store reads it: time counts only while the source is not asked for more. */
  async *watch(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.pause();
    try {
      for await (const chunk of body) {
        this.renew();
        yield chunk;
        this.pause();
      }
    } finally {
      this.renew();
    }
  }

  renew(): void {
    // A store may let go of a stream only after its call has settled.
    if (this.#ended || this.signal.aborted) return;
    if (this.#entry) this.#alarm.move(this.#entry, this.#limitMs);
    else this.#entry = this.#alarm.set(this.#limitMs, this.#expire);
  }

  pause(): void {
    if (this.#entry) this.#alarm.clear(this.#entry);
    this.#entry = undefined;
  }

  end(): void {
    this.#ended = true;
    this.pause();
    this.#outer?.removeEventListener("abort", this.#forward);
  }

  readonly #forward = (): void => this.#stop(this.#outer?.reason);

  #stop(reason: unknown): void {
    this.#controller.abort(reason);
    this.#rejectCall?.(reason);
  }
}

function expired(operation: string, { bucket, key }: CallRequest, limitMs: number): ObjectStoreError {
  return new ObjectStoreError(
    { kind: "transient", operation, bucket, key, ambiguous: WRITES.has(operation) },
    `no answer within ${limitMs} ms.`,
  );
}
