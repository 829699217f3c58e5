// A service in a process of its own, for faults that would hit the test as well. Told what to do by lines on stdin; tells
// what happens as JSON lines on stdout.

import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { BucketlineError, UploadService } from "../../src/index.ts";
import { S3ObjectStore } from "../../src/s3/index.ts";
import type { Order } from "./process.ts";

const order = JSON.parse(process.argv[2] ?? "") as Order;
const service = new UploadService({
  state: new SqliteStateStore({ path: order.ledger, busyTimeoutMs: 20 }),
  objects: new S3ObjectStore(order.client),
  random: () => 0,
  retry: { attempts: 3, baseMs: 5, capMs: 20 },
  monitorInterval: 40,
  stabilityThreshold: 0,
  requeueFailedAfter: 60,
  lease: 2_000,
  ...order.service,
});
const hoard: number[] = [];
const tell = (facts: object) => void process.stdout.write(`${JSON.stringify(facts)}\n`);
service.on("warning", ({ code, message }) => tell({ event: "warning", code, message }));
service.on("file:retrying", ({ path, reason }) => tell({ event: "retrying", path, ...reason }));
service.on("file:uploaded", ({ path }) => tell({ event: "uploaded", path }));
service.on("file:failed", ({ path, reason }) => tell({ event: "failed", path, ...reason }));
service.on("file:removed", ({ path }) => tell({ event: "removed", path }));

const COMMANDS: Readonly<Record<string, (argument: string) => Promise<unknown>>> = {
  async start() {
    await service.register({
      id: "u",
      sourceFolder: order.folder,
      bucket: order.bucket,
      keyTemplate: "{path}",
      ...order.upload,
    });
    await service.start();
  },
  finished: async () => (await service.finished("u")).state,
  check: () => service.check("u"),
  retry: () => service.retry("u"),
  async view() {
    const { state, reason, lastScan } = await service.get("u");
    const files = await service.files("u", { limit: 1_000 });
    return {
      state,
      reason,
      lastScan,
      files: files.map((file) => ({ path: file.path, state: file.state, reason: file.reason })),
    };
  },
  async shell(script) {
    const { status, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
  },
  /** Opens descriptors until there are no more, and closes so many again. */
  async hoard(spare) {
    try {
      for (;;) hoard.push(openSync("/dev/null", "r"));
    } catch {
      for (const descriptor of hoard.splice(0, Number(spare))) closeSync(descriptor);
    }
    return hoard.length;
  },
  async release() {
    for (const descriptor of hoard.splice(0)) closeSync(descriptor);
  },
  async stop() {
    await service.stop();
    process.stdin.destroy();
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [name = "", ...words] = line.split(" ");
  const command = COMMANDS[name] ?? (() => Promise.reject(new Error(`Unknown command ${name}.`)));
  command(words.join(" ")).then(
    (result) => tell({ event: "done", command: name, result: result ?? null }),
    (error: unknown) => {
      const code = error instanceof BucketlineError ? error.code : "ERROR";
      tell({ event: "refused", command: name, code, message: error instanceof Error ? error.message : String(error) });
    },
  );
});
tell({ event: "ready" });
