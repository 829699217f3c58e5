import type { GuardedEmitter } from "./emitter.ts";
import type { EventName } from "./events.ts";
import type { Clock } from "./ports/clock.ts";

const NAMES = [
  "upload:completed",
  "upload:failed",
  "upload:cancelled",
  "upload:changed",
] as const satisfies readonly EventName[];

export interface NextChangeOptions {
  readonly emitter: GuardedEmitter;
  readonly clock: Clock;
  /** Longest wait, in milliseconds: another process may have changed the upload. */
  readonly longest: number;
  /** Each of them ends the wait. */
  readonly signals: readonly (AbortSignal | undefined)[];
}

/** A wait that has begun to listen: the upload may have changed when it ends. */
export interface NextChange {
  /** Never rejects. */
  wait(): Promise<void>;
  /** To be called when it is not waited for any more. */
  end(): void;
}

/** Listens once for all who wait: thousands may, each for another upload. */
class Listening {
  readonly #emitter: GuardedEmitter;
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #tell = (...args: unknown[]) => {
    const [event] = args as [{ readonly uploadId: string }];
    for (const tell of this.#waiting.get(event.uploadId) ?? []) tell();
  };

  constructor(emitter: GuardedEmitter) {
    this.#emitter = emitter;
  }

  add(uploadId: string, tell: () => void): void {
    if (this.#waiting.size === 0) for (const name of NAMES) this.#emitter.on(name, this.#tell);
    const others = this.#waiting.get(uploadId);
    if (others) others.add(tell);
    else this.#waiting.set(uploadId, new Set([tell]));
  }

  remove(uploadId: string, tell: () => void): void {
    const waiting = this.#waiting.get(uploadId);
    if (!waiting?.delete(tell) || waiting.size > 0) return;
    this.#waiting.delete(uploadId);
    if (this.#waiting.size === 0) for (const name of NAMES) this.#emitter.off(name, this.#tell);
  }
}

const LISTENING = new WeakMap<GuardedEmitter, Listening>();

/** Listens for the next event that may mean that the upload has finished. */
export function nextChange(uploadId: string, { emitter, clock, longest, signals }: NextChangeOptions): NextChange {
  const over = new AbortController();
  const end = () => over.abort();
  const listening = LISTENING.get(emitter) ?? new Listening(emitter);
  LISTENING.set(emitter, listening);
  listening.add(uploadId, end);
  for (const signal of signals) signal?.addEventListener("abort", end, { once: true });
  if (signals.some((signal) => signal?.aborted)) end();
  return {
    wait: () => clock.sleep(longest, over.signal).catch(() => {}),
    end: () => {
      over.abort();
      listening.remove(uploadId, end);
      for (const signal of signals) signal?.removeEventListener("abort", end);
    },
  };
}
