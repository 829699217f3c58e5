import { signal } from "@preact/signals";
import { type LiveEvent, onEvents, onMissed } from "./live.ts";

export interface Entry extends LiveEvent {
  readonly id: number;
}

const KEEP = 500;
/** So many per second and kind that nobody reads them. */
const LEFT_OUT = /^(upload:progress|file:progress|file:queued|file:started|monitor:check)$/;
const TROUBLE = /^(upload:failed|file:(failed|retrying|unstable|skipped)|monitor:degraded|warning)$/;

/** The newest first, since the page was opened. */
export const activity = signal<readonly Entry[]>([]);
/** True: something may be missing below the newest. */
export const gap = signal(false);

let lastId = 0;

export function isTrouble(event: LiveEvent): boolean {
  return TROUBLE.test(event.name);
}

onEvents((events) => {
  const fresh: Entry[] = [];
  for (const event of events) {
    if (LEFT_OUT.test(event.name)) continue;
    lastId += 1;
    fresh.push({ ...event, id: lastId } as Entry);
  }
  if (fresh.length === 0) return;
  activity.value = [...fresh.reverse(), ...activity.value].slice(0, KEEP);
});
onMissed(() => {
  gap.value = true;
});
