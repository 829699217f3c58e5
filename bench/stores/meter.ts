import { readFileSync, writeFileSync } from "node:fs";

/** What a phase has cost so far. */
export interface Cost {
  /** Milliseconds spent waiting for the store. */
  readonly wallMs: number;
  /** Microseconds of CPU of this process meanwhile, all its threads together. */
  readonly cpuUs: number;
}

/** Adds up what calls of the store cost, and nothing of what is done between them. */
export class Meter {
  #wallMs = 0;
  #cpuUs = 0;

  async time<T>(work: () => Promise<T> | T): Promise<T> {
    const cpu = process.cpuUsage();
    const start = performance.now();
    const result = await work();
    this.#wallMs += performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    this.#cpuUs += user + system;
    return result;
  }

  get cost(): Cost {
    return { wallMs: this.#wallMs, cpuUs: this.#cpuUs };
  }
}

/** All in bytes. */
export interface Memory {
  readonly rss: number;
  /** By how much the resident set was larger at its largest than before the first row. */
  readonly peakGrowth: number;
  /** What the JavaScript heap has gained and a collection does not free. */
  readonly heapGrowth: number;
  /** By how much the resident set has grown outside the JavaScript heap: caches and buffers of drivers. */
  readonly nativeGrowth: number;
}

/** Begins to watch memory. @returns what to call at the end */
export function watchMemory(): () => Memory {
  collect();
  const before = process.memoryUsage();
  forgetPeak();
  return () => {
    const peak = peakRss();
    collect();
    const after = process.memoryUsage();
    const gain = (now: number, then: number) => Math.max(0, now - then);
    return {
      rss: after.rss,
      peakGrowth: gain(peak, before.rss),
      heapGrowth: gain(after.heapUsed, before.heapUsed),
      nativeGrowth: gain(after.rss - after.heapTotal, before.rss - before.heapTotal),
    };
  };
}

/** A warm-up and the loading of sources must not count as the store's peak: Linux forgets it on request (proc(5)). */
function forgetPeak(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Elsewhere the peak is that of the whole life of the process.
  }
}

function peakRss(): number {
  try {
    const kib = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // No /proc: ask the system by its other way.
  }
  return process.resourceUsage().maxRSS * 1024;
}

function collect(): void {
  if (!globalThis.gc) throw new Error("Start Node.js with --expose-gc: memory is measured after a collection.");
  globalThis.gc();
}
