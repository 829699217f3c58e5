import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type Snapshot, type SnapshotOrder, type SnapshotReply, snapshotAt } from "./snapshot-batch.ts";

/** Bytes. Larger files are read piece by piece, under the bound that all bodies share. */
const LARGEST = 64 * 1024;
/** Files per message: what waits longer than it has to costs more than a message. */
const BATCH = 32;
/** Files that are opened one by one first: a thread takes as long to start as some hundred of them. */
const BEFORE = 64;
/** Threads of this process at once, so that many uploads do not mean many threads. */
const THREADS = 2;
/** Milliseconds without work after which a thread ends. */
const IDLE = 5_000;

const THREAD = new URL(
  import.meta.url.endsWith(".ts") ? "./snapshot-thread.ts" : "./snapshot-thread.js",
  import.meta.url,
);

interface Waiting {
  readonly path: string;
  readonly follow: boolean;
  readonly settle: (snapshot: Snapshot | undefined) => void;
}

/** Those that have a thread. */
const running = new Set<Snapshots>();

/**
 * Reads small files whole in a thread, many with one message: a call that blocks costs a fraction of one that is waited for,
 * and must not be made where the host's events are handled. One root has one thread, so that a disk that hangs holds up
 * nobody else. Whatever is not simple is left to the caller.
 */
export class Snapshots {
  readonly #prefix: string;
  #line: Waiting[] = [];
  #asked: readonly Waiting[] = [];
  #opened = 0;
  #thread: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** There is no starting threads here. */
  #isBarred = false;

  /** @param prefix absolute real path of the root, with a separator at its end */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @returns undefined when the file has to be opened: it is large, special, elsewhere, not there, or being written */
  async take(path: string, follow: boolean): Promise<Snapshot | undefined> {
    this.#opened += 1;
    // There can be no such file; a message has NUL between its paths.
    if (path.includes("\0")) return undefined;
    if (!this.#thread && !this.#start()) return undefined;
    return await new Promise((settle) => {
      this.#line.push({ path, follow, settle });
      if (this.#asked.length === 0 && this.#line.length === 1) this.#askSoon();
    });
  }

  #start(): boolean {
    if (this.#isBarred || this.#opened <= BEFORE || process.platform !== "linux" || !isRoom()) return false;
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
    // Until it says that it is ready, it may turn out that it cannot be.
    this.#asked = [{ path: "", follow: false, settle: () => {} }];
    thread.once("message", () => {
      thread.on("message", (reply: SnapshotReply) => {
        if (this.#thread === thread) this.#told(reply);
      });
      this.#asked = [];
      this.#ask();
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

  /** What is asked for in this turn of the event loop goes together: to wake a thread costs more than the reading. */
  #askSoon(): void {
    setImmediate(() => this.#ask());
  }

  #ask(): void {
    if (this.#asked.length > 0 || !this.#thread) return;
    clearTimeout(this.#idle);
    if (this.#line.length === 0) return this.#rest();
    const { follow } = this.#line[0] as Waiting;
    const others = this.#line.findIndex((waiting) => waiting.follow !== follow);
    this.#asked = this.#line.splice(0, Math.min(BATCH, others < 0 ? BATCH : others));
    this.#thread.ref();
    const paths = this.#asked.map(({ path }) => path).join("\0");
    const order: SnapshotOrder = { prefix: this.#prefix, paths, follow, limit: LARGEST };
    this.#thread.postMessage(order);
  }

  #told(reply: SnapshotReply): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const [index, { settle }] of asked.entries()) settle(snapshotAt(reply, index));
    this.#askSoon();
  }

  #rest(): void {
    this.#thread?.unref();
    this.#idle = setTimeout(() => this.end(), IDLE).unref();
  }

  get isResting(): boolean {
    return this.#asked.length === 0 && this.#line.length === 0;
  }

  /** Ends the thread; the next file that is asked for may start another. */
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
    const left = [...this.#asked, ...this.#line];
    this.#asked = [];
    this.#line = [];
    for (const { settle } of left) settle(undefined);
  }
}

/** Whether another thread may be started; one that rests makes room. */
function isRoom(): boolean {
  if (running.size < THREADS) return true;
  const resting = [...running].find((snapshots) => snapshots.isResting);
  resting?.end();
  return resting !== undefined;
}
