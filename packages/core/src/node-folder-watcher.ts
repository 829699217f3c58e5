import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { reasonOf } from "./errors.ts";
import type { PatternSpec } from "./patterns.ts";
import type { FolderWatch, FolderWatcher, WatchEvent, WatchOptions, WatchState } from "./ports/folder-watcher.ts";
import { reason } from "./watch-trouble.ts";

/** What the thread is told. */
export type WatchOrder =
  | { readonly type: "watch"; readonly id: number; readonly root: string; readonly patterns: PatternSpec }
  | { readonly type: "close"; readonly id: number };

/** What the thread tells. */
export interface WatchNote {
  readonly id: number;
  readonly event: WatchEvent;
}

const THREAD = new URL(import.meta.url.endsWith(".ts") ? "./watch-thread.ts" : "./watch-thread.js", import.meta.url);
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
  readonly #watches = new Map<number, NodeFolderWatch>();
  #thread: Worker | undefined;
  #lastId = 0;

  constructor(start: StartThread = startThread) {
    this.#start = start;
  }

  watch(
    root: string,
    listener: (event: WatchEvent) => void,
    { patterns = EVERYTHING }: WatchOptions = {},
  ): FolderWatch {
    const id = ++this.#lastId;
    const path = resolve(root);
    const watch = new NodeFolderWatch(path, listener, () => this.#close(id));
    this.#watches.set(id, watch);
    try {
      this.#thread ??= this.#begin();
      const { pattern, exclude, dot } = patterns;
      const order: WatchOrder = { type: "watch", id, root: path, patterns: { pattern, exclude, dot } };
      this.#thread.postMessage(order);
    } catch (error) {
      queueMicrotask(() => watch.fail(error));
    }
    return watch;
  }

  #begin(): Worker {
    const thread = this.#start();
    thread.on("message", ({ id, event }: WatchNote) => this.#watches.get(id)?.tell(event));
    thread.on("error", (error) => this.#lose(thread, error));
    thread.on("exit", (code) => this.#lose(thread, new Error(`its thread ended with code ${code}`)));
    thread.unref();
    return thread;
  }

  /** A later watch starts another thread; those of this one stay degraded. */
  #lose(thread: Worker, error: unknown): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    for (const watch of this.#watches.values()) watch.fail(error);
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
  readonly #root: string;
  readonly #release: () => void;
  #listener: ((event: WatchEvent) => void) | undefined;
  #state: WatchState = "starting";

  constructor(root: string, listener: (event: WatchEvent) => void, release: () => void) {
    this.#root = root;
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
    this.tell({ type: "degraded", reason: reason(this.#root, `watching it failed (${reasonOf(error).message})`) });
  }

  async close(): Promise<void> {
    this.#listener = undefined;
    this.#release();
  }
}
