import type { ServiceHealth, UploadService } from "@bucketline/core";
import type { HttpContext } from "../context.ts";
import { SharedReading } from "./shared-reading.ts";

/** How long the ledger, and then the buckets, may take: together they stay below what probes usually wait. */
const TIMEOUT_MS = 2_000;

const readings = new WeakMap<HttpContext, SharedReading<ServiceHealth>>();

/**
 * How the service and what it depends on are. The ledger and the buckets are asked once a second at most, whoever asks and
 * however often; what the service knows of itself is as it is now.
 * @param maxAgeMs what they have answered so long ago will do
 */
export async function healthOf(context: HttpContext, maxAgeMs = 0): Promise<ServiceHealth> {
  const { service } = context;
  let reading = readings.get(context);
  if (!reading) {
    reading = new SharedReading(() => probe(service), { rest: 0 });
    readings.set(context, reading);
  }
  return { ...(await reading.get(maxAgeMs)), ...service.status() };
}

async function probe(service: UploadService): Promise<ServiceHealth> {
  return await service.probe({ timeout: TIMEOUT_MS });
}

/**
 * Whether the service can do its work. One bucket of several that does not answer stops the uploads to it alone, and must not
 * take the dashboard from those who look for the reason; when none answers, nothing can be sent.
 */
export function isReady({ started, stopping, store, lease, monitor, buckets }: ServiceHealth): boolean {
  const hasBucket = buckets.length === 0 || buckets.some(({ ok }) => ok);
  return started && !stopping && store.ok && lease.valid && monitor.alive && hasBucket;
}
