import { readdir } from "node:fs/promises";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { Counter, Gauge, type Registry } from "prom-client";

/** Milliseconds between two looks at the event loop; a delay is what comes on top. */
const RESOLUTION_MS = 10;
const QUANTILES = [50, 90, 99] as const;

export interface ProcessGauges {
  /** Brings them up to date. */
  update(): Promise<void>;
  close(): void;
}

/**
 * What the process uses, under the names that Prometheus's and Node.js's own dashboards know, and how late the event loop is.
 * prom-client's own collection of these cannot be ended.
 */
export function processGauges(registry: Registry): ProcessGauges {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const start = gauge("process_start_time_seconds", "When the process began, in seconds since 1970.");
  const memory = gauge("process_resident_memory_bytes", "Resident memory.");
  const files = gauge("process_open_fds", "Open file descriptors; on Linux.");
  const heap = gauge("nodejs_heap_size_used_bytes", "Heap in use.");
  const heapTotal = gauge("nodejs_heap_size_total_bytes", "Size of the heap.");
  const external = gauge("nodejs_external_memory_bytes", "Memory outside the heap, buffers among it.");
  const utilization = gauge("nodejs_eventloop_utilization_ratio", "Share of the time in which the event loop worked.");
  const cpu = new Counter({ name: "process_cpu_seconds_total", help: "CPU time, all threads.", registers: [registry] });
  const lag = eventLoopLag(registry);
  let cpuBefore = 0;
  let loopBefore = performance.eventLoopUtilization();
  start.set(performance.timeOrigin / 1000);
  return {
    update: async () => {
      const { user, system } = process.cpuUsage();
      const cpuNow = (user + system) / 1e6;
      cpu.inc(Math.max(0, cpuNow - cpuBefore));
      cpuBefore = cpuNow;
      const usage = process.memoryUsage();
      memory.set(usage.rss);
      heap.set(usage.heapUsed);
      heapTotal.set(usage.heapTotal);
      external.set(usage.external);
      const loopNow = performance.eventLoopUtilization();
      utilization.set(performance.eventLoopUtilization(loopNow, loopBefore).utilization);
      loopBefore = loopNow;
      lag.update();
      const open = await openFiles();
      if (open === undefined) files.remove();
      else files.set(open);
    },
    close: lag.close,
  };
}

function eventLoopLag(registry: Registry): { update(): void; close(): void } {
  const gauge = (name: string, what: string) =>
    new Gauge({
      name: `nodejs_eventloop_lag_${name}_seconds`,
      help: `${what} delay of the event loop since the metrics were last read.`,
      registers: [registry],
    });
  const mean = gauge("mean", "Mean");
  const max = gauge("max", "Longest");
  const quantiles = QUANTILES.map(
    (quantile) => [quantile, gauge(`p${quantile}`, `${quantile}th percentile of the`)] as const,
  );
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  /** Of nanoseconds; without any, there was none. */
  const lag = (ns: number) => (Number.isFinite(ns) ? Math.max(0, ns / 1e6 - RESOLUTION_MS) / 1000 : 0);
  return {
    update: () => {
      mean.set(lag(histogram.mean));
      max.set(lag(histogram.max));
      for (const [quantile, each] of quantiles) each.set(lag(histogram.percentile(quantile)));
      histogram.reset();
    },
    close: () => void histogram.disable(),
  };
}

async function openFiles(): Promise<number | undefined> {
  try {
    // Reading the folder takes one.
    return (await readdir("/proc/self/fd")).length - 1;
  } catch {
    return undefined;
  }
}
