/** A bounded number of tasks at once, for work that comes in a stream. The first failure, or the signal, stops it all. */
export class InFlight {
  /** Aborts when the work is to end early; for everything that the tasks, and whoever feeds them, wait for. */
  readonly signal: AbortSignal;
  readonly #limit: number;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly reason: unknown } | undefined;

  constructor(limit: number, signal: AbortSignal | undefined) {
    this.#limit = limit;
    this.signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
  }

  /** Begins a task. Resolves when there is room for another. */
  async add(task: () => Promise<void>): Promise<void> {
    this.signal.throwIfAborted();
    const running = task()
      .catch((reason: unknown) => this.#fail(reason))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    while (this.#running.size >= this.#limit) await Promise.race(this.#running);
  }

  /**
   * Runs what feeds the tasks, and waits for the last of them. When it settles, nothing is under way any more.
   * @throws the first failure · the signal's reason
   */
  async run(feed: () => Promise<void>): Promise<void> {
    try {
      await feed();
    } catch (reason) {
      this.#fail(reason);
    }
    await Promise.all(this.#running);
    if (this.#failure) throw this.#failure.reason;
    this.signal.throwIfAborted();
  }

  #fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#stop.abort(reason);
  }
}
