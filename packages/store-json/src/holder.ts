import { readFileSync, readlinkSync } from "node:fs";
import { hostname, uptime } from "node:os";

/** The process that holds a lock. Empty strings where its system does not say. */
export interface Holder {
  readonly host: string;
  /** Changes with every boot of the machine; Linux only. */
  readonly boot: string;
  /** PID namespace: within one, equal pids mean one process; Linux only. */
  readonly pidSpace: string;
  readonly pid: number;
  /** Start time in clock ticks since boot: tells a process from a later one with its pid; Linux only. */
  readonly started: string;
  /** When it took the lock: ISO 8601. */
  readonly since: string;
}

/** What the process that judges knows. */
export interface Observer {
  readonly here: Pick<Holder, "host" | "boot" | "pidSpace">;
  /** When this machine was started, in milliseconds since 1970. */
  readonly bootedAt: number;
  /** "ended": no process has this pid, or one that started at another time. "unknown": one has it, but no start time is known. */
  look(pid: number, started: string): "ended" | "runs" | "unknown";
}

export function thisProcess(): Holder {
  return {
    host: hostname(),
    boot: textOf(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidSpace: textOf(() => readlinkSync("/proc/self/ns/pid")),
    pid: process.pid,
    started: statOf("self")?.started ?? "",
    since: new Date().toISOString(),
  };
}

export function thisObserver(): Observer {
  return { here: thisProcess(), bootedAt: Date.now() - uptime() * 1_000, look };
}

/**
 * Whether the holder of a lock lives, as far as it can be seen from here:
 *
 * | boots            | its process is          | verdict                                              |
 * |------------------|-------------------------|------------------------------------------------------|
 * | equal            | of this PID namespace   | ended or runs; unseen without its start time          |
 * | equal            | of another              | unseen                                               |
 * | differ           | of a host of this name  | ended when its last beat came before this boot       |
 * | differ           | of another host         | unseen                                               |
 * | both unknown     | of a host of this name  | ended when nothing has its pid; otherwise unseen     |
 *
 * @param lastBeat of the lock, in milliseconds since 1970
 */
export function verdictOn(holder: Holder, lastBeat: number, observer: Observer): "ended" | "runs" | "unseen" {
  const { here, bootedAt } = observer;
  const areBootsKnown = holder.boot !== "" && here.boot !== "";
  const isSameHost = holder.host === here.host;
  if (areBootsKnown && holder.boot !== here.boot) return isSameHost && lastBeat < bootedAt ? "ended" : "unseen";
  const isVisible = areBootsKnown
    ? holder.pidSpace !== "" && holder.pidSpace === here.pidSpace
    : holder.boot === here.boot && isSameHost && holder.pidSpace === here.pidSpace;
  if (!isVisible) return "unseen";
  const seen = observer.look(holder.pid, holder.started);
  return seen === "unknown" ? "unseen" : seen;
}

/** @returns undefined for what no lock of ours holds */
export function parseHolder(text: string): Holder | undefined {
  try {
    const { host, boot, pidSpace, pid, started, since } = JSON.parse(text);
    const areTexts = [host, boot, pidSpace, started, since].every((value) => typeof value === "string");
    return areTexts && Number.isSafeInteger(pid) && pid > 0 ? { host, boot, pidSpace, pid, started, since } : undefined;
  } catch {
    return undefined;
  }
}

export function describe(holder: Holder | undefined): string {
  if (holder === undefined) return "another process";
  return `process ${holder.pid} on host ${JSON.stringify(holder.host)}, since ${holder.since}`;
}

function look(pid: number, started: string): ReturnType<Observer["look"]> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "ended";
  }
  const stat = statOf(pid);
  if (stat === undefined || started === "") return "unknown";
  return stat.isZombie || stat.started !== started ? "ended" : "runs";
}

function statOf(pid: number | "self"): { readonly isZombie: boolean; readonly started: string } | undefined {
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
