import { on, once } from "node:events";
import { Worker } from "node:worker_threads";
import type { PatternSpec } from "./patterns.ts";
import type { FileFacts, SourceRoot, WalkOrder } from "./ports/file-system.ts";
import type { Frame, ScanEntry } from "./tree-walk.ts";
import { readBatch, type WalkBatch } from "./walk-batch.ts";

/** Batches that the thread may have ready before anybody wants them. */
const AHEAD = 3;

const THREAD = new URL(import.meta.url.endsWith(".ts") ? "./walk-thread.ts" : "./walk-thread.js", import.meta.url);

/** What the thread is told when it starts. */
export interface ThreadOrder {
  readonly root: string;
  readonly identity: Pick<FileFacts, "dev" | "ino">;
  readonly patterns: PatternSpec;
  readonly followLinks: boolean;
  readonly frames: readonly Frame[];
}

/**
 * Goes on with a walk in a thread of its own, which blocks in the file system and ends with the walk.
 * @returns undefined where no thread can be started: its file was bundled away, or the host permits none
 * @throws the signal's reason
 */
export async function walkInThread(
  root: SourceRoot,
  { patterns, followLinks, frames, signal }: WalkOrder,
): Promise<AsyncGenerator<readonly ScanEntry[], void, void> | undefined> {
  const { dev, ino } = root.facts;
  const order: ThreadOrder = { root: root.path, identity: { dev, ino }, patterns, followLinks, frames };
  let thread: Worker | undefined;
  try {
    // Not the host's: its --input-type would forbid to start from a file, and what it preloads is not wanted here.
    thread = new Worker(THREAD, { workerData: order, execArgv: [] });
    await ready(thread, signal);
    return batches(thread, signal);
  } catch {
    if (thread) end(thread);
    signal?.throwIfAborted();
    return undefined;
  }
}

/** Rejects when the thread fails, or ends without a word, as what NODE_OPTIONS preloads may make it do. */
async function ready(thread: Worker, signal: AbortSignal | undefined): Promise<void> {
  const ended = () => thread.emit("error", new Error("The thread ended before it was ready."));
  thread.once("exit", ended);
  try {
    await once(thread, "message", signal ? { signal } : {});
  } finally {
    thread.off("exit", ended);
  }
}

async function* batches(
  thread: Worker,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly ScanEntry[], void, void> {
  try {
    const messages = on(thread, "message", { ...(signal && { signal }), close: ["exit"] });
    for (let ahead = 0; ahead < AHEAD; ahead++) thread.postMessage("more");
    for await (const [batch] of messages as AsyncIterable<[WalkBatch]>) {
      if (!batch.isLast) thread.postMessage("more");
      const entries = readBatch(batch);
      if (entries.length > 0) yield entries;
      if (batch.isLast) return;
    }
    throw new Error("The thread that walks the source folder ended before it was done.");
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    end(thread);
  }
}

/** Not awaited: a thread that hangs in a call to the system ends when the call does. */
function end(thread: Worker): void {
  thread.unref();
  thread.on("error", () => {});
  void thread.terminate();
}
