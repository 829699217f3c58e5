import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { crc32Of } from "./checksum.ts";
import type { BodyOrder, BodyReply } from "./hashed-reads.ts";
import { type SnapshotOrder, type SnapshotReply, SnapshotWriter } from "./snapshot-batch.ts";

// Every order has one reply, in their order.
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

parentPort?.on("message", (order: SnapshotOrder | BodyOrder) => {
  if ("descriptor" in order) readBody(order);
  else readFiles(order);
});

function readFiles(order: SnapshotOrder): void {
  const { prefix, follow, limit } = order;
  const paths = order.paths.split("\0");
  const writer = new SnapshotWriter(paths.length, limit);
  const flags = O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  for (const path of paths) if (!take(path, flags, prefix, limit, writer)) writer.nothing();
  const reply: SnapshotReply = writer.take();
  parentPort?.postMessage(reply, [reply.bytes.buffer as ArrayBuffer, reply.numbers.buffer as ArrayBuffer]);
}

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

/** Read and hashed at a time, so that the bytes are still in the core's cache. */
const SLICE = 256 * 1024;

function readBody({ descriptor, position, target, withSha256 }: BodyOrder): void {
  // Loaded by those threads only that need it.
  const sha256 = withSha256 ? process.getBuiltinModule("node:crypto").createHash("sha256") : undefined;
  let [filled, crc32, readMs, isRead] = [0, 0, 0, true];
  try {
    while (filled < target.length) {
      const begun = performance.now();
      const read = readSync(descriptor, target, filled, Math.min(SLICE, target.length - filled), position + filled);
      readMs += performance.now() - begun;
      if (read === 0) break;
      const slice = target.subarray(filled, filled + read);
      crc32 = crc32Of(slice, crc32);
      sha256?.update(slice);
      filled += read;
    }
  } catch {
    isRead = false;
  }
  const reply: BodyReply = { target, isRead, read: filled, crc32, sha256: sha256?.digest("hex"), readMs };
  parentPort?.postMessage(reply, [target.buffer]);
}
