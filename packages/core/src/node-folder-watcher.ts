import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { reasonOf } from "./errors.ts";
import type { PatternSpec } from "./patterns.ts";
import type { FolderWatch, FolderWatcher, WatchEvent, WatchOptions, WatchState } from "./ports/folder-watcher.ts";
import { reason } from "./watch-trouble.ts";

interface BeginOrder {
  readonly type: "watch";
  readonly id: number;
  readonly root: string;
  readonly patterns: PatternSpec;
  readonly within: readonly string[] | undefined;
  /** Milliseconds to wait first. */
  readonly delay: number;
}

/** What the thread is told. */
export type WatchOrder = BeginOrder | { readonly type: "close"; readonly id: number };

/** What the thread tells. */
export interface WatchNote {
  readonly id: number;
  readonly event: WatchEvent;
}

const THREAD = new URL(import.meta.url.endsWith(".ts") ? "./watch-thread.ts" : "./watch-thread.js", import.meta.url);
/** After what a thread died of, which may happen again. Milliseconds. */
const AGAIN_MS = 60_000;
const EVERYTHING: PatternSpec = { pattern: [], exclude: [], dot: true };

/** Starts the thread; a test may start one that fails. */
export type StartThread = () => Worker;

const startThread: StartThread = () =>
  // Flags of the process, such as --input-type, are not for a thread.
  new Worker(THREAD, { name: "watch", execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: 4 } });

/**
 * Watches folders through the system's own events, in a thread of its own, so that neither a large tree nor a storm of
 * changes holds up the event loop. The thread starts with the first watch and ends with the last.
 */
export class NodeFolderWatcher implements FolderWatcher {
  readonly #start: StartThread;
  readonly #again: number;
  readonly #watches = new Map<number, NodeFolderWatch>();
  #thread: Worker | undefined;
  #lastId = 0;

  /** @param again how long after the death of its thread the watches go on in another one, in milliseconds */
  constructor(start: StartThread = startThread, again = AGAIN_MS) {
    this.#start = start;
    this.#again = again;
  }

  watch(
    root: string,
    listener: (event: WatchEvent) => void,
    { patterns = EVERYTHING, within }: WatchOptions = {},
  ): FolderWatch {
    const id = ++this.#lastId;
    const path = resolve(root);
    const { pattern, exclude, dot } = patterns;
    const order: BeginOrder = { type: "watch", id, root: path, patterns: { pattern, exclude, dot }, within, delay: 0 };
    const watch = new NodeFolderWatch(order, listener, () => this.#close(id));
    this.#watches.set(id, watch);
    try {
      if (this.#thread) this.#thread.postMessage(order);
      else this.#begin(0);
    } catch (error) {
      queueMicrotask(() => watch.fail(error));
    }
    return watch;
  }

  /** Starts a thread, which takes over all watches. */
  #begin(delay: number): void {
    const thread = this.#start();
    this.#thread = thread;
    let worked = false;
    thread.on("message", ({ id, event }: WatchNote) => {
      worked = true;
      this.#watches.get(id)?.tell(event);
    });
    thread.on("error", (error) => this.#lose(thread, error, worked));
    thread.on("exit", (code) => this.#lose(thread, new Error(`its thread ended with code ${code}`), worked));
    thread.unref();
    for (const { order } of this.#watches.values()) thread.postMessage({ ...order, delay } satisfies BeginOrder);
  }

  /** @param worked whether another thread may fare better: one whose file is missing would fail at once, again and again */
  #lose(thread: Worker, error: unknown, worked: boolean): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    for (const watch of this.#watches.values()) watch.fail(error);
    // Listeners may have closed the last watch, or begun a new one.
    if (!worked || this.#watches.size === 0 || this.#thread) return;
    try {
      this.#begin(this.#again);
    } catch {
      // A later watch starts a thread for all of them.
    }
  }

  #close(id: number): void {
    if (!this.#watches.delete(id)) return;
    const thread = this.#thread;
    if (this.#watches.size > 0) {
      thread?.postMessage({ type: "close", id } satisfies WatchOrder);
      return;
    }
    this.#thread = undefined;
    // Not awaited: a thread that hangs in a call to the system ends when the call does.
    void thread?.terminate();
  }
}

class NodeFolderWatch implements FolderWatch {
  readonly order: BeginOrder;
  readonly #release: () => void;
  #listener: ((event: WatchEvent) => void) | undefined;
  #state: WatchState = "starting";

  constructor(order: BeginOrder, listener: (event: WatchEvent) => void, release: () => void) {
    this.order = order;
    this.#listener = listener;
    this.#release = release;
  }

  get state(): WatchState {
    return this.#state;
  }

  tell(event: WatchEvent): void {
    if (event.type !== "changed") this.#state = event.type === "ready" ? "live" : "degraded";
    try {
      this.#listener?.(event);
    } catch {
      // A listener observes and never steers.
    }
  }

  fail(error: unknown): void {
    this.tell({ type: "degraded", reason: reason(this.order.root, `watching it failed (${reasonOf(error).message})`) });
  }

  async close(): Promise<void> {
    this.#listener = undefined;
    this.#release();
  }
}
