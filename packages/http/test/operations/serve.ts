// A service in a process of its own, whose part uploads take as long as the test says. Prints one line of JSON for what happens.
import { systemClock, UploadService } from "@bucketline/core";
import {
  type FaultedCall,
  faulty,
  MemoryBuckets,
  MemoryObjectStore,
  MemoryState,
  MemoryStateStore,
} from "@bucketline/core/testing";
import { createServer, stopOnSignal } from "../../src/index.ts";

const [sourceFolder = "", delay = "0", timeout = "25000"] = process.argv.slice(2);
const say = (what: string, facts: object = {}) => process.stdout.write(`${JSON.stringify({ what, ...facts })}\n`);

const buckets = new MemoryBuckets();
buckets.create("bucket");
const clock = systemClock;
const store = new MemoryObjectStore({ state: buckets, clock, capabilities: { minPartSize: 1 } });
const times = Number.POSITIVE_INFINITY;
const slow = faulty(store, [{ method: "putObject", times, delayMs: Number(delay) }], { clock }).port;
const run = ({ proceed }: FaultedCall) => {
  say("sending");
  return proceed();
};
const objects = faulty(slow, [{ method: "putObject", times, run }]).port;
const state = new MemoryStateStore({ clock, state: new MemoryState() });
const service = new UploadService({ state, objects, allowedRoots: [sourceFolder], watcher: "none", concurrency: 1 });
const server = await createServer({ service, port: 0 });
const stopped = stopOnSignal({ server, service, timeout: Number(timeout) });
service.on("file:started", ({ path }) => say("started", { path }));
service.on("file:uploaded", ({ path }) => say("uploaded", { path }));
server.app.server.once("close", () => say("server closed", { stopping: service.status().stopping }));
await service.start();
await service.register({ id: "u", sourceFolder, bucket: "bucket", mode: "once" });
say("listening", { url: server.url });
say("stopped", { signal: await stopped });
