import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Threads of this process at once, so that many uploads do not mean many threads. */
const THREADS = 2;
/** Milliseconds without work after which a thread ends. */
const IDLE = 5_000;

const THREAD = new URL(import.meta.url.endsWith(".ts") ? "./source-thread.ts" : "./source-thread.js", import.meta.url);

/** Those that have a thread. */
const running = new Set<SourceReader>();

/**
 * The thread that reads the files of one root, with calls that block: they cost a fraction of those that are waited for,
 * and must not be made where the host's events are handled. One root has one, so that a disk that hangs holds up nobody
 * else; not every root has one, and it may end at any time.
 */
export class SourceReader {
  #thread: Worker | undefined;
  /** Who waits for a reply; they come in the order of the orders. */
  #asked: ((reply: unknown) => void)[] = [];
  /** Who wants something of it, whether it has been asked already or not. */
  #users = 0;
  #idle: NodeJS.Timeout | undefined;
  /** There is no starting threads here. */
  #isBarred = false;

  get isRunning(): boolean {
    return this.#thread !== undefined;
  }

  get isResting(): boolean {
    return this.#users === 0;
  }

  /** @returns whether there is a thread now */
  start(): boolean {
    if (this.#thread) return true;
    if (this.#isBarred || !isRoom()) return false;
    let thread: Worker;
    try {
      // Not the host's: its --input-type would forbid to start from a file, and what it preloads is not wanted here.
      thread = new Worker(THREAD, { execArgv: [] });
    } catch {
      this.#isBarred = true;
      return false;
    }
    running.add(this);
    this.#thread = thread;
    thread.on("message", (reply: unknown) => {
      if (this.#thread === thread) this.#asked.shift()?.(reply);
    });
    thread.on("error", () => {
      this.#isBarred = true;
    });
    void once(thread, "exit").then(
      () => this.#ended(thread),
      () => this.#ended(thread),
    );
    return true;
  }

  /** From now on it is not ended for others' sake, and the process waits for it. */
  enter(): void {
    this.#users += 1;
    if (this.#users > 1) return;
    clearTimeout(this.#idle);
    this.#thread?.ref();
  }

  leave(users = 1): void {
    this.#users -= users;
    if (this.#users > 0) return;
    this.#thread?.unref();
    this.#idle = setTimeout(() => this.end(), IDLE).unref();
  }

  /** @returns undefined when the thread ends first, or has ended; what was handed over with the order is lost then */
  ask<Reply>(order: object, handedOver: readonly ArrayBuffer[] = []): Promise<Reply | undefined> {
    return new Promise((resolve) => {
      if (!this.#thread) return resolve(undefined);
      this.#asked.push(resolve as (reply: unknown) => void);
      this.#thread.postMessage(order, handedOver);
    });
  }

  /** Ends the thread; the next that asks may start another. */
  end(): void {
    const thread = this.#thread;
    if (!thread) return;
    this.#ended(thread);
    void thread.terminate();
  }

  #ended(thread: Worker): void {
    if (this.#thread !== thread) return;
    running.delete(this);
    this.#thread = undefined;
    clearTimeout(this.#idle);
    const left = this.#asked;
    this.#asked = [];
    for (const settle of left) settle(undefined);
  }
}

/** Whether another thread may be started; one that rests makes room. */
function isRoom(): boolean {
  if (running.size < THREADS) return true;
  const resting = [...running].find((reader) => reader.isResting);
  resting?.end();
  return resting !== undefined;
}
