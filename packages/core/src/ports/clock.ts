/**
 * Time, as the engine sees it. Nothing else in core reads a clock or sets a timer, so that a test can own time.
 *
 * Guarantees: `monotonic` never goes back, whatever happens to the wall clock; `sleep` counts monotonic time.
 */
export interface Clock {
  /** Wall time in milliseconds since 1970-01-01T00:00Z. For records and people; may jump either way. */
  now(): number;
  /** Milliseconds since an arbitrary start. For durations, rates and timers. */
  monotonic(): number;
  /**
   * Resolves after `ms` milliseconds (at once for 0 and less).
   * @throws the signal's reason, as soon as the signal aborts
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Uniform random numbers in [0, 1). Injected, so that a run can be repeated from its seed. */
export type Random = () => number;
