// The program that is killed: a service on a drop folder, until SIGTERM. Says what it has taken in and put away, and kills
// itself at its failpoint: before or after the nth call of one kind that changes a folder.

import { promises, writeSync } from "node:fs";
import { UploadService } from "@bucketline/core";
import { S3ObjectStore, type S3ObjectStoreOptions } from "@bucketline/core/s3";
import { SqliteStateStore } from "@bucketline/store-sqlite";

/** What is told to the program. Plain JSON. */
export interface DropOrder {
  readonly ledger: string;
  readonly folder: string;
  readonly bucket: string;
  readonly client: S3ObjectStoreOptions;
  readonly failpoint?: {
    readonly method: "rename" | "mkdir" | "rmdir";
    readonly phase: "before" | "after";
    readonly nth: number;
  };
}

const order = JSON.parse(process.argv[2] ?? "") as DropOrder;

function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

if (order.failpoint) {
  const { method, phase, nth } = order.failpoint;
  const real = promises[method] as (...args: unknown[]) => Promise<unknown>;
  let calls = 0;
  const trapped = async (...args: unknown[]) => {
    calls++;
    if (calls === nth && phase === "before") return await die();
    const answer = await real(...args);
    return calls >= nth ? await die() : answer;
  };
  Object.assign(promises, { [method]: trapped });
}

const service = new UploadService({
  state: new SqliteStateStore(order.ledger),
  objects: new S3ObjectStore(order.client),
  stabilityThreshold: 50,
  monitorInterval: 200,
  lease: 2_000,
});
const say = (line: string) => void writeSync(1, `${line}\n`);
service.on("file:claimed", ({ path }) => say(`claimed ${path}`));
service.on("file:uploaded", ({ path }) => say(`uploaded ${path}`));
service.on("file:disposed", ({ path }) => say(`disposed ${path}`));
service.on("warning", (warning) => process.stderr.write(`${JSON.stringify(warning)}\n`));
await service.start();
await service.register({
  id: "drop",
  sourceFolder: order.folder,
  bucket: order.bucket,
  keyTemplate: "{path}",
  drop: {},
});
say("started");
await new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
await service.stop();
