import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FolderWatch, UploadService, WatchEvent } from "@bucketline/core";
import { NodeFolderWatcher } from "@bucketline/core";
import { Bed, UPLOAD } from "./bed.ts";
import type { Options } from "./options.ts";

export interface WatchCost {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** The longest time that the event loop stood still meanwhile. */
  readonly blockedMs: number;
  readonly memoryMb: number;
  /** Of the watcher alone, as a share of one core. */
  readonly idle: number;
}

export interface ServiceCost {
  /** Between scans, as a share of one core. */
  readonly idle: number;
  readonly scanCpuMs: number;
}

const PER_FOLDER = 100;
const HOUR_MS = 3_600_000;
/** Longer than a scan of a large tree and the rest after it. */
const QUIET_MS = 20_000;

/** 100 folders in each of 100 folders in each of …: as many as asked for. */
function makeFolders(root: string, count: number): void {
  let made = 0;
  for (let a = 0; made < count; a++) {
    const top = join(root, `a${a}`);
    mkdirSync(top);
    made++;
    for (let b = 0; b < PER_FOLDER && made < count; b++) {
      const middle = join(top, `b${b}`);
      mkdirSync(middle);
      made++;
      for (let c = 0; c < PER_FOLDER && made < count; c++, made++) mkdirSync(join(middle, `c${c}`));
    }
  }
}

const residentMb = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1_024;

const cpuMs = (since?: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
};

async function idleShare(ms: number): Promise<number> {
  const before = process.cpuUsage();
  const begun = performance.now();
  await sleep(ms);
  return cpuMs(before) / (performance.now() - begun);
}

export async function measureLargeTree({
  folders,
  idle,
}: Options): Promise<{ watch: WatchCost; service: ServiceCost }> {
  const bed = new Bed();
  try {
    makeFolders(bed.root, folders);
    const watch = await watchAlone(bed.root, idle);
    return { watch, service: await wholeService(bed, idle) };
  } finally {
    await bed.end();
  }
}

async function watchAlone(root: string, idle: number): Promise<WatchCost> {
  const memory = residentMb();
  let [blockedMs, last] = [0, performance.now()];
  const pulse = setInterval(() => {
    blockedMs = Math.max(blockedMs, performance.now() - last);
    last = performance.now();
  }, 1);
  const [cpu, begun] = [process.cpuUsage(), performance.now()];
  let watch: FolderWatch | undefined;
  const event = await new Promise<WatchEvent>((resolve) => {
    watch = new NodeFolderWatcher().watch(root, resolve);
  });
  const cost = { wallMs: performance.now() - begun, cpuMs: cpuMs(cpu), blockedMs, memoryMb: residentMb() - memory };
  clearInterval(pulse);
  if (event.type === "degraded") throw new Error(event.reason.message);
  try {
    await sleep(1_000);
    return { ...cost, idle: await idleShare(idle) };
  } finally {
    await watch?.close();
  }
}

/** With an hour between scans, so that none falls into the measurement. */
async function wholeService(bed: Bed, idle: number): Promise<ServiceCost> {
  const service = await bed.start({ monitorInterval: HOUR_MS });
  await bed.register(service);
  while ((await service.get(UPLOAD)).watch.state !== "live") await sleep(100);
  await quiet(service);
  const before = process.cpuUsage();
  await service.check(UPLOAD);
  const scanCpuMs = cpuMs(before);
  await quiet(service);
  return { idle: await idleShare(idle), scanCpuMs };
}

/** The watch asks for another scan when it has become live: until that is over. */
async function quiet(service: UploadService): Promise<void> {
  let scans = 0;
  service.on("upload:scanned", () => scans++);
  for (let before = -1; before !== scans; ) {
    before = scans;
    await sleep(QUIET_MS);
  }
}
