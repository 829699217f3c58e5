import type { Reason } from "../errors.ts";
import type { FolderWatch, FolderWatcher, WatchEvent, WatchOptions, WatchState } from "../ports/folder-watcher.ts";

/** Settings of a FakeFolderWatcher. */
export interface FakeFolderWatcherOptions {
  /** Says `ready` by itself, soon after `watch`. Default true. */
  readonly ready?: boolean;
}

/** A FolderWatcher that says what a test tells it to, to every watch of a root, before the call returns. */
export class FakeFolderWatcher implements FolderWatcher {
  readonly #ready: boolean;
  readonly #watches = new Set<FakeWatch>();

  constructor({ ready = true }: FakeFolderWatcherOptions = {}) {
    this.#ready = ready;
  }

  /** Roots that are watched now, once for each watch. */
  get roots(): readonly string[] {
    return Array.from(this.#watches, ({ root }) => root);
  }

  watch(root: string, listener: (event: WatchEvent) => void, options: WatchOptions = {}): FolderWatch {
    const watch = new FakeWatch(root, listener, options, () => this.#watches.delete(watch));
    this.#watches.add(watch);
    if (this.#ready) queueMicrotask(() => watch.tell({ type: "ready" }));
    return watch;
  }

  /** The options of the first watch of a root. */
  optionsOf(root: string): WatchOptions | undefined {
    return this.#of(root)[0]?.options;
  }

  ready(root: string): void {
    this.#tell(root, { type: "ready" });
  }

  changed(root: string): void {
    this.#tell(root, { type: "changed" });
  }

  /** @param message default: as after an overflow of the system's queue */
  degrade(root: string, message = `${root} cannot be watched: events may have been lost.`): void {
    this.#tell(root, { type: "degraded", reason: degraded(message) });
  }

  /** Everything is lost, as when the thread ends that watches; later watches work again. */
  die(): void {
    const reason = degraded("The watcher has died.");
    for (const watch of this.#watches) watch.tell({ type: "degraded", reason });
  }

  #of(root: string): FakeWatch[] {
    return Array.from(this.#watches).filter((watch) => watch.root === root);
  }

  #tell(root: string, event: WatchEvent): void {
    for (const watch of this.#of(root)) watch.tell(event);
  }
}

function degraded(message: string): Reason {
  return { code: "WATCH_DEGRADED", message };
}

class FakeWatch implements FolderWatch {
  readonly root: string;
  readonly options: WatchOptions;
  readonly #listener: (event: WatchEvent) => void;
  readonly #release: () => void;
  #state: WatchState = "starting";
  #isClosed = false;

  constructor(root: string, listener: (event: WatchEvent) => void, options: WatchOptions, release: () => void) {
    this.root = root;
    this.options = options;
    this.#listener = listener;
    this.#release = release;
  }

  get state(): WatchState {
    return this.#state;
  }

  tell(event: WatchEvent): void {
    if (this.#isClosed) return;
    if (event.type !== "changed") this.#state = event.type === "ready" ? "live" : "degraded";
    this.#listener(event);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#release();
  }
}
