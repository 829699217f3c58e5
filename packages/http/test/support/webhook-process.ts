import { ObjectStoreError, systemClock, UploadService } from "@bucketline/core";
import { faulty, MemoryBuckets, MemoryObjectStore } from "@bucketline/core/testing";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { createServer } from "../../src/index.ts";

/**
 * A host of its own whose bucket takes nothing: `webhook-process.ts DATABASE FOLDER URL SECRET live|die`. With `die` it is
 * killed by SIGKILL once a notice is in the ledger, before anything of it is sent.
 */
const [, , database = "", folder = "", url = "", secret = "", task = ""] = process.argv;
const state = new MemoryBuckets();
state.create("bucket");
const objects = faulty(new MemoryObjectStore({ state, clock: systemClock }), [
  {
    method: "putObject",
    times: Number.POSITIVE_INFINITY,
    before: () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: "bucket" }, "refused"),
  },
]);
const service = new UploadService({ state: new SqliteStateStore(database), objects: objects.port, watcher: "none" });
// Before the server hears of it: listeners are called in their order.
if (task === "die") service.outbox.onNotice(() => process.kill(process.pid, "SIGKILL"));
await createServer({
  service,
  port: 0,
  webhooks: [{ name: "ops", url, secret, events: ["file:failed"] }],
});
await service.start();
await service.register({ id: "u", sourceFolder: folder, bucket: "bucket", mode: "once" });
