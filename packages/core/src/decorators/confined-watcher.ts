import type { Confinement } from "../confinement.ts";
import type { Clock } from "../ports/clock.ts";
import type { FolderWatch, FolderWatcher, WatchEvent, WatchState } from "../ports/folder-watcher.ts";
import { troubles } from "../watch-trouble.ts";

/**
 * Gives the watcher inside only folders that lead into one of the roots, and tells it to see to it that this stays so.
 * Any other folder is degraded as if it were not there, and looked at again from time to time.
 */
export function watchWithin(watcher: FolderWatcher, confinement: Confinement, clock: Clock): FolderWatcher {
  return {
    watch(root, listener, options) {
      const watch = new ConfinedWatch(listener);
      const begin = () => watcher.watch(root, listener, { ...options, within: confinement.roots });
      void watch.run(root, confinement, clock, begin);
      return watch;
    },
  };
}

class ConfinedWatch implements FolderWatch {
  readonly #listener: (event: WatchEvent) => void;
  readonly #ended = new AbortController();
  #inner: FolderWatch | undefined;
  #refused = false;

  constructor(listener: (event: WatchEvent) => void) {
    this.#listener = listener;
  }

  get state(): WatchState {
    return this.#inner?.state ?? (this.#refused ? "degraded" : "starting");
  }

  async run(root: string, confinement: Confinement, clock: Clock, begin: () => FolderWatch): Promise<void> {
    const { signal } = this.#ended;
    const { reason, retryAfter } = troubles.gone(root);
    for (;;) {
      const isAdmitted = await confinement.admits(root).catch(() => false);
      if (signal.aborted) return;
      if (isAdmitted) break;
      if (!this.#refused) {
        this.#refused = true;
        this.#tell({ type: "degraded", reason });
      }
      await clock.sleep(retryAfter, signal).catch(() => {});
    }
    this.#inner = begin();
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#inner?.close();
  }

  #tell(event: WatchEvent): void {
    try {
      this.#listener(event);
    } catch {
      // A listener observes and never steers.
    }
  }
}
