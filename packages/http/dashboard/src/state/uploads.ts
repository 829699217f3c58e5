import { batch, computed, type Signal, signal } from "@preact/signals";
import { ApiError, read, request } from "../api/client.ts";
import type { Upload } from "../api/types.ts";
import { words } from "../text/format.ts";
import { type LiveEvent, onEvents, onMissed } from "./live.ts";
import { announce } from "./notify.ts";

/** Uploads kept in the page. Beyond so many the list says that there are more. */
const KEEP = 2000;
const PAGE = 500;
/** Between two readings of one upload. */
const REREAD_MS = 1000;

interface ListAnswer {
  readonly uploads: readonly Upload[];
  readonly next_cursor: string | null;
}

const known = new Map<string, Signal<Upload>>();
const ids = signal<readonly string[]>([]);
/** True: there are more than the page keeps. */
export const truncated = signal(false);
/** Undefined while they are read for the first time. */
export const listing = signal<"loading" | "ready" | ApiError>("loading");

/** The newest first. */
export const uploads = computed<readonly Upload[]>(() =>
  ids.value
    .map((id) => known.get(id)!.value)
    .sort((a, b) => (a.created_at === b.created_at ? 0 : a.created_at < b.created_at ? 1 : -1)),
);

/** Reads the list anew. */
export async function loadUploads(): Promise<void> {
  try {
    const found: Upload[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: ListAnswer = await read(`/uploads?limit=${PAGE}${query}`);
      found.push(...page.uploads);
      cursor = page.next_cursor;
    } while (cursor !== null && found.length < KEEP);
    batch(() => {
      for (const upload of found) put(upload);
      ids.value = found.map((upload) => upload.upload_id);
      truncated.value = cursor !== null;
      listing.value = "ready";
    });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (listing.value !== "ready") listing.value = error;
  }
}

function put(upload: Upload): Signal<Upload> {
  const there = known.get(upload.upload_id);
  if (there) {
    there.value = upload;
    return there;
  }
  const made = signal(upload);
  known.set(upload.upload_id, made);
  return made;
}

/** An upload, live. @throws ApiError `UPLOAD_NOT_FOUND` and others */
export async function loadUpload(
  id: string,
): Promise<{ readonly upload: Signal<Upload>; readonly etag: string | null }> {
  const { body, etag } = await request<Upload>("GET", `/uploads/${encodeURIComponent(id)}`);
  const upload = put(body);
  if (listing.peek() === "ready" && !ids.peek().includes(id)) ids.value = [body.upload_id, ...ids.peek()];
  return { upload, etag };
}

export function peekUpload(id: string): Signal<Upload> | undefined {
  return known.get(id);
}

const readAt = new Map<string, number>();
const due = new Set<string>();

/** Reads an upload again, soon, once for many wishes. */
export function rereadUpload(id: string): void {
  if (due.has(id)) return;
  due.add(id);
  const wait = Math.max(0, (readAt.get(id) ?? 0) + REREAD_MS - Date.now());
  setTimeout(() => {
    due.delete(id);
    readAt.set(id, Date.now());
    // When it fails, the next event or the next connection brings another try.
    loadUpload(id).catch(() => {});
  }, wait);
}

/** What an `upload:progress` event tells of an upload, under the same names. */
const FIGURES = [
  "state",
  "progress",
  "total_files",
  "completed_files",
  "failed_files",
  "skipped_files",
  "pending_files",
  "total_bytes",
  "completed_bytes",
  "rate",
  "eta_seconds",
] as const satisfies readonly (keyof Upload)[];

function progressOf(event: LiveEvent): Partial<Upload> {
  return Object.fromEntries(FIGURES.flatMap((name) => (event[name] === undefined ? [] : [[name, event[name]]])));
}

/** Of these, the state and reason change; the rest of the upload is read again. */
const CHANGES = /^upload:(started|completed|failed|reopened|paused|resumed|cancelled|changed|adjusted)$/;
const REREAD = /^(upload:(registered|scanned|verified|waiting)|monitor:(live|degraded|requeued))$/;
const SPOKEN = /^upload:(registered|completed|failed|paused|resumed|cancelled)$/;

function apply(events: readonly LiveEvent[]): void {
  for (const event of events) {
    const id = event.upload_id;
    if (id === undefined) continue;
    if (SPOKEN.test(event.name)) announce(`Upload ${id}: ${words(event.name.slice("upload:".length))}`);
    const there = known.get(id);
    if (event.name === "upload:progress") {
      if (there) there.value = { ...there.value, ...progressOf(event) };
      else rereadUpload(id);
    } else if (CHANGES.test(event.name)) {
      if (there) there.value = { ...there.value, state: event.state as Upload["state"], reason: event.reason ?? null };
      rereadUpload(id);
    } else if (REREAD.test(event.name)) rereadUpload(id);
  }
}

onEvents(apply);
onMissed(() => void loadUploads());
