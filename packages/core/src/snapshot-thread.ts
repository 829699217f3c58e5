import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { type SnapshotOrder, type SnapshotReply, SnapshotWriter } from "./snapshot-batch.ts";

// Read in one go: longer files are left to whoever reads them piece by piece.
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

parentPort?.on("message", (order: SnapshotOrder) => {
  const { prefix, follow, limit } = order;
  const paths = order.paths.split("\0");
  const writer = new SnapshotWriter(paths.length, limit);
  const flags = O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  for (const path of paths) if (!take(path, flags, prefix, limit, writer)) writer.nothing();
  const reply: SnapshotReply = writer.take();
  parentPort?.postMessage(reply, [reply.bytes.buffer as ArrayBuffer, reply.numbers.buffer as ArrayBuffer]);
});
parentPort?.postMessage("ready");

/** @returns false for all that is not a small regular file inside the root that nobody touches meanwhile */
function take(path: string, flags: number, prefix: string, limit: number, writer: SnapshotWriter): boolean {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, flags);
    const before = fstatSync(descriptor, { bigint: true });
    if (!before.isFile() || before.size > limit) return false;
    // Where Linux says the descriptor leads, however the folders above were swapped.
    if (!readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(prefix)) return false;
    const size = Number(before.size);
    const room = writer.room(size);
    let filled = 0;
    while (filled < size) {
      const read = readSync(descriptor, room, filled, size - filled, filled);
      if (read === 0) return false;
      filled += read;
    }
    return writer.file(before, fstatSync(descriptor, { bigint: true }));
  } catch {
    // Whoever asked goes the long way, and finds out why.
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
