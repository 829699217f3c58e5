import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { type BucketlineServer, createServer } from "@bucketline/http";
import type { ClientConfig } from "@bucketline/s3-sandbox";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { answer } from "./child.ts";
import { ProcessMeter, type Reading } from "./meter.ts";

export interface ApiTask {
  /** Where ledger and files go. */
  readonly folder: string;
  readonly client: ClientConfig;
  readonly bucket: string;
  readonly files: number;
  /** Finished uploads beside the running one. */
  readonly others: number;
  /** Of the token that is taken. */
  readonly sha256: string;
}

const PER_FOLDER = 100;
const CONTENT = "x".repeat(1024);

let base = "";
const meter = new ProcessMeter();
let service: UploadService | undefined;
let server: BucketlineServer | undefined;
let [uploaded, round] = [0, 0];
let running = "";
let stopped = false;

function makeFiles(folder: string, count: number): void {
  for (let file = 0; file < count; file++) {
    const parent = join(folder, `folder-${Math.floor(file / PER_FOLDER)}`);
    if (file % PER_FOLDER === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${file}.dat`), CONTENT);
  }
}

/** Uploads the folder under one id after another, so that there is always work. */
async function keepBusy(bucket: string): Promise<void> {
  while (!stopped && service) {
    round += 1;
    running = `running-${round}`;
    await service.register({ id: running, sourceFolder: join(base, "large"), bucket, mode: "once" });
    await service.finished(running);
  }
}

const answers = {
  async start({ folder, client, bucket, files, others, sha256 }: ApiTask) {
    base = mkdtempSync(join(folder, "bucketline-http-bench-"));
    makeFiles(join(base, "large"), files);
    makeFiles(join(base, "small"), 1);
    service = new UploadService({
      state: new SqliteStateStore(join(base, "ledger.db")),
      objects: new S3ObjectStore(client),
      allowedRoots: [base],
      stabilityThreshold: 0,
    });
    service.on("file:uploaded", () => {
      uploaded += 1;
    });
    await service.start();
    for (let other = 0; other < others; other++) {
      const id = `other-${String(other).padStart(4, "0")}`;
      await service.register({ id, sourceFolder: join(base, "small"), bucket, mode: "once" });
      await service.finished(id);
    }
    const auth = { tokens: [{ name: "bench", sha256, scopes: ["admin"] as const }] };
    server = await createServer({ port: 0, service, auth });
    keepBusy(bucket).catch((error: unknown) => {
      if (!stopped) throw error;
    });
    return { url: server.url, folder: join(base, "small") };
  },

  /** Since the last reading. */
  read(): Reading & { readonly uploaded: number; readonly running: string } {
    const reading = { ...meter.read(), uploaded, running };
    uploaded = 0;
    return reading;
  },
};

export type ApiAnswers = typeof answers;

answer(answers, async () => {
  stopped = true;
  await server?.close();
  await service?.stop();
  if (base !== "") rmSync(base, { recursive: true, force: true });
});
