import { snake } from "../names.ts";
import { fileIdOf, timeView } from "../views.ts";

/** Progress has the names that it has in an upload, so that a client can put it into the one it shows. */
const OTHER_NAMES: readonly (readonly [string, string])[] = [
  ["fraction", "progress"],
  ["filesTotal", "total_files"],
  ["filesUploaded", "completed_files"],
  ["filesFailed", "failed_files"],
  ["filesSkipped", "skipped_files"],
  ["filesPending", "pending_files"],
  ["bytesTotal", "total_bytes"],
  ["bytesUploaded", "completed_bytes"],
];

/** Milliseconds since 1970 in the core's payloads. */
const TIMES = new Set(["startedAt", "endedAt", "finishedAt", "nextAttemptAt", "until"]);
/** Of no use to clients. */
const HIDDEN = new Set(["device"]);

const names = new Map(OTHER_NAMES);

/**
 * The data of an event as JSON: the core's payload in the names of the API, with `at`, times as RFC 3339, and of files the
 * id that the API knows them by. It is one line: JSON escapes whatever a file's name contains.
 */
export function eventData(payload: object, at: number): string {
  const path = "path" in payload && typeof payload.path === "string" ? { file_id: fileIdOf(payload.path) } : {};
  return JSON.stringify({ at: timeView(at), ...path, ...view(payload) });
}

function view(payload: object): Record<string, unknown> {
  const seen: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(payload)) {
    if (HIDDEN.has(name)) continue;
    seen[nameOf(name)] = TIMES.has(name) && typeof value === "number" ? timeView(value) : nested(value);
  }
  return seen;
}

function nested(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nested);
  return typeof value === "object" && value !== null ? view(value) : value;
}

/** Payloads have few names, and there are many payloads. */
function nameOf(name: string): string {
  let known = names.get(name);
  if (known === undefined) {
    known = snake(name);
    names.set(name, known);
  }
  return known;
}
