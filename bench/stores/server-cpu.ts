import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, which Linux has fixed at 100 for programs (time(7)). */
const US_PER_TICK = 10_000;

/**
 * CPU microseconds that a PostgreSQL server of this machine has used, its backends and its ended ones included.
 * @param pid of its first process
 * @returns undefined when it is not there, or there is no /proc to see it in
 */
export function serverCpuUs(pid: number): number | undefined {
  const first = statOf(pid);
  if (first === undefined) return undefined;
  const backends = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter((stat) => stat?.parent === pid);
  return [first, ...backends].reduce((sum, stat) => sum + (stat?.ticks ?? 0), 0) * US_PER_TICK;
}

function statOf(pid: number): { readonly parent: number; readonly ticks: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name, in parentheses, may hold anything; field 3 follows it. 14 to 17 are user and system time, own and of ended
  // children (proc(5)).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { parent: Number(fields[1]), ticks };
}
