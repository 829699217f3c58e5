import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** What tells one process from every other. Empty strings where the system does not say. */
export interface ProcessFacts {
  readonly host: string;
  /** Changes with every boot of the machine; Linux only. */
  readonly boot: string;
  /** PID namespace: within one, equal pids mean one process; Linux only. */
  readonly pidSpace: string;
  readonly pid: number;
  /** Start time of the process, in clock ticks since boot: tells it from a later one with its pid; Linux only. */
  readonly started: string;
}

export interface Instant {
  /** Milliseconds since 1970. */
  readonly wall: number;
  /** Milliseconds since an arbitrary start, which on Linux is the same for all processes of one boot. */
  readonly monotonic: number;
}

export function ownProcess(): ProcessFacts {
  return {
    host: hostname(),
    boot: textOf(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidSpace: textOf(() => readlinkSync("/proc/self/ns/pid")),
    pid: process.pid,
    started: statOf("self")?.started ?? "",
  };
}

export function readClocks(): Instant {
  return { wall: Date.now(), monotonic: Number(process.hrtime.bigint() / 1_000_000n) };
}

/** Whether a process of this machine and PID namespace has ended. `started` "": any process with this pid counts. */
export function hasEnded(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const stat = statOf(pid);
  if (stat === undefined) return false;
  return stat.isZombie || (started !== "" && stat.started !== started);
}

function statOf(pid: number | "self"): { isZombie: boolean; started: string } | undefined {
  const stat = textOf(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (stat === "") return undefined;
  // The command, in parentheses, may hold spaces and parentheses itself; field 3 follows it, field 22 is the start time (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { isZombie: fields[0] === "Z" || fields[0] === "X", started: fields[19] ?? "" };
}

function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
