import type { Instant, ProcessFacts } from "./host.ts";

/** An owner's last heartbeat. */
export interface Lease extends ProcessFacts {
  readonly leaseMs: number;
  readonly beat: Instant;
}

/**
 * Whether the work of an owner may be given to others, as seen from the process `here` at `now`:
 *
 * | same boot | its process            | stale                                                              |
 * |-----------|------------------------|--------------------------------------------------------------------|
 * | yes       | ended                  | at once                                                            |
 * | yes       | runs, or not to be seen| when monotonic time, which no clock change touches, exceeds the lease |
 * | no, same host | –                  | at once: the machine has started anew since                        |
 * | unknown   | ended                  | at once                                                            |
 * | unknown   | runs, or not to be seen| by wall time; a beat further ahead than the lease is from before the clock was set back |
 *
 * A wrong verdict about a living owner costs a repeated transfer and nothing else: its writes are fenced.
 */
export function isStale(
  lease: Lease,
  here: ProcessFacts,
  now: Instant,
  hasEnded: (pid: number, started: string) => boolean,
): boolean {
  const bootsKnown = lease.boot !== "" && here.boot !== "";
  const sameBoot = bootsKnown && lease.boot === here.boot;
  if (bootsKnown && !sameBoot && lease.host === here.host) return true;
  const samePids = lease.pidSpace === here.pidSpace && (sameBoot || (!bootsKnown && lease.host === here.host));
  if (samePids && hasEnded(lease.pid, lease.started)) return true;
  const elapsed = now.monotonic - lease.beat.monotonic;
  if (sameBoot && elapsed >= 0) return elapsed >= lease.leaseMs;
  const passed = now.wall - lease.beat.wall;
  return passed >= lease.leaseMs || passed < -lease.leaseMs;
}
