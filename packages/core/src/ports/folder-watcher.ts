import type { Reason } from "../errors.ts";
import type { PatternSpec } from "../patterns.ts";

/**
 * What is said about one root:
 * `ready` whatever changes from now on is hinted; a scan that begins now sees what changed before ·
 * `changed` something may have changed somewhere below the root ·
 * `degraded` changes may go unhinted from now on, all or some, until the next `ready`; the code is `WATCH_DEGRADED`.
 */
export type WatchEvent =
  | { readonly type: "ready" }
  | { readonly type: "changed" }
  | { readonly type: "degraded"; readonly reason: Reason };

/** Whether hints of changes are to be had. */
export type WatchState = "starting" | "live" | "degraded";

/** What a watch may leave out. */
export interface WatchOptions {
  /** Folders that can hold none of these files need not be watched. Default: all folders. */
  readonly patterns?: PatternSpec;
  /**
   * Absolute paths: while the root, links followed, lies in none of these folders, nothing is watched, and it is said to be
   * degraded as if it were not there. Holds for as long as the watch lasts. Default: anywhere.
   */
  readonly within?: readonly string[];
}

/** One watch of one folder, until it is closed. */
export interface FolderWatch {
  /** `starting` until the first event; then `live` after `ready`, and `degraded` after `degraded`. */
  readonly state: WatchState;
  /** The listener is not called any more, from this call on. May be called twice. Never rejects. */
  close(): Promise<void>;
}

/**
 * Hints that something below a folder may have changed, so that a scan need not wait for its turn. Hints are never the
 * truth: they may be lost, late, repeated, or about nothing, and whoever relies on them polls as well.
 *
 * Guarantees:
 * - `watch` returns at once and throws nothing; whatever goes wrong is said with `degraded`, and is tried again by itself.
 * - The listener is called from a later turn of the event loop, never after `close`, at most some 20 times a second per
 *   root, however much changes. What it throws is ignored.
 * - `degraded` is said once per cause; `ready` ends it. Hints may go on while a watch is degraded.
 * - Links are not followed: what they lead to is watched only where it lies below the root itself.
 * - Folders that may not be read are left out without a word: a scan cannot read them either, and says so.
 * - Memory does not grow with the number of files or of changes; it may grow with the number of folders.
 * - A watch never keeps the process alive, and setting it up does not block the event loop.
 */
export interface FolderWatcher {
  /** @param root absolute path; need not exist (yet): then the watch is degraded until it does */
  watch(root: string, listener: (event: WatchEvent) => void, options?: WatchOptions): FolderWatch;
}
