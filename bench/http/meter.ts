import { monitorEventLoopDelay, performance } from "node:perf_hooks";

/** What a process did between two readings. */
export interface Reading {
  readonly seconds: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
  /** How late the event loop was, in milliseconds. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Share of the time in which the event loop had work. */
  readonly utilization: number;
}

const RESOLUTION_MS = 5;

/** Reads what this process does from one reading to the next. */
export class ProcessMeter {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #begun = performance.now();
  #cpu = process.cpuUsage();
  #loop = performance.eventLoopUtilization();

  constructor() {
    this.#delay.enable();
  }

  read(): Reading {
    const { user, system } = process.cpuUsage(this.#cpu);
    const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    const reading = {
      seconds: (performance.now() - this.#begun) / 1000,
      cpuSeconds: (user + system) / 1e6,
      delay: { p50: ms(this.#delay.percentile(50)), p99: ms(this.#delay.percentile(99)), max: ms(this.#delay.max) },
      utilization: performance.eventLoopUtilization(this.#loop).utilization,
    };
    this.#delay.reset();
    this.#begun = performance.now();
    this.#cpu = process.cpuUsage();
    this.#loop = performance.eventLoopUtilization();
    return reading;
  }
}
