import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { SourceError } from "./errors.ts";
import { FolderCalls, type FsAnswer, type FsCall, toFacts } from "./folder-calls.ts";
import { compilePatterns } from "./patterns.ts";
import { driveSync } from "./steps.ts";
import type { ThreadOrder } from "./threaded-walk.ts";
import { type FoundFacts, TreeWalk, type WalkAnswer, type WalkQuestion } from "./tree-walk.ts";
import { BatchWriter } from "./walk-batch.ts";

/** Entries per message. */
const BATCH = 256;

const { root, identity, patterns, followLinks, frames } = workerData as ThreadOrder;
const calls = new FolderCalls(root, identity);
const walk = new TreeWalk(frames, { filter: compilePatterns(patterns), followLinks, batch: BATCH });
const writer = new BatchWriter(2 * BATCH);

parentPort?.on("message", () => {
  driveSync(walk.nextBatch(writer), answer);
  parentPort?.postMessage(writer.take(walk.isOver));
});
parentPort?.postMessage("ready");

function answer(question: WalkQuestion): WalkAnswer {
  return question.type === "folder"
    ? driveSync(calls.readFolder(question.path), makeCall)
    : question.paths.map(followLinks ? followed : factsOf);
}

/** Nearly all entries are files that are there; what is not so simple goes the long way. */
function factsOf(path: string): FoundFacts {
  try {
    const stats = lstatSync(calls.absolute(path), { bigint: true, throwIfNoEntry: false });
    if (stats) return toFacts(stats);
  } catch {
    // The long way says why.
  }
  return settled(path, false);
}

function followed(path: string): FoundFacts {
  return settled(path, true);
}

function settled(path: string, follow: boolean): FoundFacts {
  try {
    return driveSync(calls.stat(path, follow), makeCall);
  } catch (error) {
    if (error instanceof SourceError) return error;
    throw error;
  }
}

function makeCall({ method, path }: FsCall): FsAnswer {
  switch (method) {
    case "lstat":
      return lstatSync(path, { bigint: true });
    case "stat":
      return statSync(path, { bigint: true });
    case "realpath":
      return realpathSync.native(path);
    case "readdir":
      return readdirSync(path, { withFileTypes: true });
    case "readdirBytes":
      return readdirSync(path, { withFileTypes: true, encoding: "buffer" });
  }
}
