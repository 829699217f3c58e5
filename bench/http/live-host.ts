import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock, UploadService } from "@bucketline/core";
import { MemoryObjectStore, MemoryStateStore } from "@bucketline/core/testing";
import { type BucketlineServer, createServer } from "@bucketline/http";
import { answer } from "./child.ts";
import { ProcessMeter, type Reading } from "./meter.ts";

const [UPLOAD, BUCKET] = ["bench", "bench"];
const base = mkdtempSync(join(tmpdir(), "bucketline-http-bench-"));
const meter = new ProcessMeter();
let service: UploadService | undefined;
let server: BucketlineServer | undefined;

export interface Tellings {
  /** Events per second. */
  readonly rate: number;
  readonly seconds: number;
}

const answers = {
  async start() {
    mkdirSync(join(base, "empty"));
    const objects = new MemoryObjectStore({ buckets: [BUCKET] });
    service = new UploadService({ state: new MemoryStateStore({ clock: systemClock }), objects, watcher: "none" });
    await service.register({ id: UPLOAD, sourceFolder: join(base, "empty"), bucket: BUCKET, mode: "once" });
    server = await createServer({ port: 0, service, rateLimit: false });
    return { url: server.url };
  },

  /** Changes a setting again and again: one event each. @returns what it cost, and how many events there were */
  async tell({ rate, seconds }: Tellings): Promise<Reading & { readonly events: number }> {
    meter.read();
    const begun = performance.now();
    let events = 0;
    for (let now = begun; now < begun + seconds * 1000; now = performance.now()) {
      for (; events < ((now - begun) * rate) / 1000; events++) await service?.adjust(UPLOAD, { priority: events });
      await sleep(Math.max(1, begun + (events * 1000) / rate - performance.now()));
    }
    return { ...meter.read(), events };
  },

  memory(): number {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  },
};

export type LiveAnswers = typeof answers;

answer(answers, async () => {
  await server?.close();
  await service?.stop();
  rmSync(base, { recursive: true, force: true });
});
