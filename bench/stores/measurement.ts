import type { Memory } from "./meter.ts";
import type { SubjectName } from "./subjects.ts";
import type { Phase } from "./workload.ts";

export interface DatabaseServer {
  readonly url: string;
  /** Its first process, when that is on this machine and known. */
  readonly pid?: number | undefined;
}

export interface Task {
  readonly subject: SubjectName;
  readonly rows: number;
  /** Holds every file the subject writes. */
  readonly folder: string;
  readonly server?: DatabaseServer | undefined;
}

export interface PhaseCost {
  readonly rowsPerSecond: number;
  /** CPU microseconds per row of the process that has the store. */
  readonly cpuUs: number;
  /** The same of the database server; null when there is none, or it cannot be seen. */
  readonly serverCpuUs: number | null;
}

/** One subject at one size, in a process of its own. */
export interface Measurement {
  readonly phases: Readonly<Record<Phase, PhaseCost>>;
  readonly memory: Memory;
  readonly diskBytes: number;
}

export type Answer = { readonly measured: Measurement } | { readonly error: string };

/** All the CPU a row costs, wherever. */
export function totalCpuUs(cost: PhaseCost): number {
  return cost.cpuUs + (cost.serverCpuUs ?? 0);
}
