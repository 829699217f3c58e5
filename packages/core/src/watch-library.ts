import { lstatSync, readdirSync, readFileSync, realpathSync, watch } from "node:fs";
import type { WatchLibrary } from "./watched-tree.ts";

/** How Linux is set up unless somebody changes it. Source: man page inotify(7). */
const DEFAULT_QUEUE = 16_384;

/** The machine's own. Where the system does not watch whole trees, `node:fs` watches one folder with each handle. */
export const nodeWatchLibrary: WatchLibrary = {
  recursive: process.platform === "darwin" || process.platform === "win32",
  queueLimit: Number(textOf("/proc/sys/fs/inotify/max_queued_events")) || DEFAULT_QUEUE,
  watch: (path, options, listener) => watch(path, options, listener),
  identify(path) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats?.isDirectory() ? stats : undefined;
  },
  subfolders(path) {
    try {
      return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
    } catch {
      return [];
    }
  },
  realPath: (path) => realpathSync.native(path),
  mountTable: () => textOf("/proc/self/mountinfo"),
};

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
