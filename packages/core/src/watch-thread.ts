import { parentPort } from "node:worker_threads";
import { systemClock } from "./clock.ts";
import type { WatchNote, WatchOrder } from "./node-folder-watcher.ts";
import { compilePatterns } from "./patterns.ts";
import { nodeWatchLibrary } from "./watch-library.ts";
import { WatchedTree } from "./watched-tree.ts";

const trees = new Map<number, WatchedTree>();

parentPort?.on("message", (order: WatchOrder) => {
  if (order.type === "close") {
    trees.get(order.id)?.close();
    trees.delete(order.id);
    return;
  }
  const { id, root, patterns, within, delay } = order;
  const tree = new WatchedTree({
    root,
    filter: compilePatterns(patterns),
    within,
    library: nodeWatchLibrary,
    clock: systemClock,
    say: (event) => parentPort?.postMessage({ id, event } satisfies WatchNote),
  });
  trees.set(id, tree);
  void systemClock.sleep(delay).then(() => tree.run());
});
