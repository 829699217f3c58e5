import type { EventName } from "@bucketline/core";
import { batch, signal } from "@preact/signals";
import { route } from "../api/client.ts";
import type { Reason } from "../api/types.ts";

/** An event of the service, in the names of the API. Which fields there are depends on its name. */
export interface LiveEvent {
  readonly name: EventName;
  readonly at: string;
  readonly upload_id?: string;
  readonly path?: string;
  readonly file_id?: string;
  readonly state?: string;
  readonly reason?: Reason | null;
  readonly [field: string]: unknown;
}

/** `refused`: the service answers, but has no stream for us now. */
export type Connection = "connecting" | "live" | "offline" | "refused";

/** Whether the page hears of changes as they happen. */
export const connection = signal<Connection>("connecting");
/** When it was last so, in milliseconds since 1970. */
export const lastHeard = signal<number | null>(null);

// The compiler holds this against the core's events.
const NAMES: Readonly<Record<EventName, true>> = {
  "upload:registered": true,
  "upload:started": true,
  "upload:scanning": true,
  "upload:scanned": true,
  "upload:progress": true,
  "upload:completed": true,
  "upload:failed": true,
  "upload:reopened": true,
  "upload:paused": true,
  "upload:resumed": true,
  "upload:cancelled": true,
  "upload:adjusted": true,
  "upload:waiting": true,
  "upload:changed": true,
  "upload:verified": true,
  "file:queued": true,
  "file:started": true,
  "file:progress": true,
  "file:uploaded": true,
  "file:retrying": true,
  "file:failed": true,
  "file:skipped": true,
  "file:unstable": true,
  "file:changed": true,
  "file:removed": true,
  "file:deleted": true,
  "step:started": true,
  "step:finished": true,
  "file:claimed": true,
  "file:disposed": true,
  "monitor:check": true,
  "monitor:live": true,
  "monitor:degraded": true,
  "monitor:requeued": true,
  "recovery:finished": true,
  warning: true,
};

const HIDDEN_MS = 1000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 15_000;

type Listener = (events: readonly LiveEvent[]) => void;

const listeners = new Set<Listener>();
const readers = new Set<() => void>();
let queue: LiveEvent[] = [];
let flushing = false;
let opened = false;
let retryMs = FIRST_RETRY_MS;

/** Calls back with all that came since the last frame. @returns what ends it */
export function onEvents(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls back when events may have been missed, and everything must be read again. @returns what ends it */
export function onMissed(reader: () => void): () => void {
  readers.add(reader);
  return () => readers.delete(reader);
}

/** Follows the service for as long as the page is open. */
export function follow(): void {
  const source = new EventSource(route("/events"));
  source.addEventListener("open", () => {
    // A stream that was begun anew starts at the present, and knows nothing of what was between.
    if (opened && source !== followed) missed();
    followed = source;
    opened = true;
    retryMs = FIRST_RETRY_MS;
    connection.value = "live";
  });
  source.addEventListener("reset", missed);
  for (const name of Object.keys(NAMES) as EventName[]) {
    source.addEventListener(name, (message: MessageEvent<string>) => hear(name, message.data));
  }
  source.addEventListener("error", () => {
    if (connection.value === "live") lastHeard.value = Date.now();
    // The browser comes back by itself, with the id of the last event, unless it was answered with a refusal.
    if (source.readyState !== EventSource.CLOSED) {
      connection.value = "offline";
      return;
    }
    connection.value = "refused";
    // What is not told must be asked for; whoever is logged out by now learns it this way.
    missed();
    setTimeout(follow, retryMs);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  });
}

let followed: EventSource | undefined;

function hear(name: EventName, data: string): void {
  queue.push({ ...(JSON.parse(data) as Omit<LiveEvent, "name">), name } as LiveEvent);
  if (flushing) return;
  flushing = true;
  // Frames do not come while the page is hidden.
  if (document.hidden) setTimeout(flush, HIDDEN_MS);
  else requestAnimationFrame(flush);
}

function flush(): void {
  flushing = false;
  const events = queue;
  queue = [];
  batch(() => {
    for (const listener of listeners) listener(events);
  });
}

function missed(): void {
  for (const reader of readers) reader();
}
