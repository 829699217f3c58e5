import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceOptions } from "@bucketline/core";
import { Bed, UPLOAD } from "./bed.ts";
import type { Options } from "./options.ts";

/** Milliseconds from the end of the write to `file:uploaded`, ascending. */
export type Latencies = readonly number[];

/**
 * Writes files one by one, at random moments, so that they do not march in step with the scans.
 * @param watching what the service is told about events and intervals
 */
export async function measureLatency(
  { files, gap, threshold }: Options,
  watching: Pick<ServiceOptions, "watcher" | "monitorInterval">,
): Promise<Latencies> {
  const bed = new Bed();
  try {
    const service = await bed.start({ ...watching, stabilityThreshold: threshold });
    const written = new Map<string, number>();
    const latencies: number[] = [];
    const all = new Promise<void>((resolve) => {
      service.on("file:uploaded", ({ path }) => {
        latencies.push(performance.now() - (written.get(path) ?? Number.NaN));
        if (latencies.length === files) resolve();
      });
    });
    await bed.register(service);
    while ((await service.get(UPLOAD)).watch.state === "starting") await sleep(50);
    for (let file = 0; file < files; file++) {
      await sleep(Math.random() * 2 * gap);
      const path = `file-${file}`;
      writeFileSync(join(bed.root, path), "content");
      written.set(path, performance.now());
    }
    await all;
    return latencies.sort((a, b) => a - b);
  } finally {
    await bed.end();
  }
}

export function quantile(latencies: Latencies, share: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
}
