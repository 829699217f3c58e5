import { watchedFolder } from "./drop-folders.ts";
import type { Reason } from "./errors.ts";
import type { Emit } from "./events.ts";
import type { FolderWatch, FolderWatcher, WatchEvent } from "./ports/folder-watcher.ts";
import type { UploadRecord } from "./upload.ts";

/** How changes of a watched folder come to notice, besides the scans that its schedule asks for. */
export interface WatchStatus {
  /** `polling`: not at all · `starting` · `live`: by file system events · `degraded`: not, or not all of them. */
  readonly state: "polling" | "starting" | "live" | "degraded";
  /** Why degraded. */
  readonly reason: Reason | null;
}

export interface LiveWatchesOptions {
  /** Undefined: no file system events at all. */
  readonly watcher: FolderWatcher | undefined;
  readonly emit: Emit;
  /** Something may have changed in the upload's folder. */
  readonly onHint: (uploadId: string) => void;
}

interface LiveWatch {
  readonly watch: FolderWatch;
  reason: Reason | null;
}

const POLLING: WatchStatus = { state: "polling", reason: null };

/** File system events of the folders of watched uploads: hints that a scan need not wait for its turn. */
export class LiveWatches {
  readonly #options: LiveWatchesOptions;
  readonly #watches = new Map<string, LiveWatch>();

  constructor(options: LiveWatchesOptions) {
    this.#options = options;
  }

  /**
   * Follows the upload's folder for as long as it is scanned at intervals: a cron expression and `manual` mean that
   * nothing comes before, so such a folder is left.
   */
  follow({ id, spec }: UploadRecord): void {
    const { watcher } = this.#options;
    if (!watcher || spec.mode !== "watch" || typeof spec.schedule === "string") return void this.leave(id);
    if (this.#watches.has(id)) return;
    const listener = (event: WatchEvent) => this.#heard(id, event);
    this.#watches.set(id, { watch: watcher.watch(watchedFolder(spec), listener, { patterns: spec }), reason: null });
  }

  async leave(uploadId: string): Promise<void> {
    const live = this.#watches.get(uploadId);
    this.#watches.delete(uploadId);
    await live?.watch.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#watches.keys()].map((uploadId) => this.leave(uploadId)));
  }

  status(uploadId: string): WatchStatus {
    const live = this.#watches.get(uploadId);
    return live ? { state: live.watch.state, reason: live.reason } : POLLING;
  }

  /** Whatever is said, a scan is due: of a folder that has become live, what changed before; of a degraded one, what was lost. */
  #heard(uploadId: string, event: WatchEvent): void {
    const live = this.#watches.get(uploadId);
    if (!live) return;
    const { emit, onHint } = this.#options;
    if (event.type === "degraded") {
      live.reason = event.reason;
      emit("monitor:degraded", () => ({ uploadId, reason: event.reason }));
    } else if (event.type === "ready") {
      live.reason = null;
      emit("monitor:live", () => ({ uploadId }));
    }
    onHint(uploadId);
  }
}
