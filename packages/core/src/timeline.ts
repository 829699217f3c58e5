import type { Reason } from "./errors.ts";
import { type FileRecord, type FinishedPart, NEVER } from "./file.ts";
import type { HistoryEntry } from "./history.ts";
import type { StepTrace } from "./pipeline/trace.ts";

/** Something in the life of a file. Times in milliseconds since 1970. Plain JSON. */
export type TimelineEntry =
  | { readonly what: "discovered"; readonly at: number }
  | HistoryEntry
  /** A step of the file's pipeline, when it ended. */
  | ({ readonly what: "step"; readonly at: number } & StepTrace)
  /** The transfer under way, or left behind, with the parts that the store has acknowledged of it. */
  | { readonly what: "begun"; readonly at: number; readonly parts: number; readonly bytes: number }
  /** The object that stands in the bucket. */
  | {
      readonly what: "uploaded";
      readonly at: number;
      readonly key: string;
      readonly size: number;
      readonly etag: string;
    }
  /** As the record was last written. */
  | { readonly what: "skipped" | "removed"; readonly at: number; readonly reason: Reason | null }
  /** What is to come: the next attempt of a PENDING file, or when a FAILED one is queued again. Null: as soon as may be. */
  | { readonly what: "next"; readonly at: number | null };

/**
 * What is known of a file's life, oldest first; what is to come stands last. Earlier transfers, and what fell out of
 * the bounded history, are not in it. Pure.
 * @param parts finished parts of the file's transfer
 */
export function timelineOf(file: FileRecord, parts: readonly FinishedPart[] = []): TimelineEntry[] {
  const past = [...pastOf(file, parts)];
  // Stable: where times are equal, the order above is the likely one.
  past.sort((a, b) => a.at - b.at);
  return [{ what: "discovered", at: file.createdAt }, ...past, ...nextOf(file)];
}

type Past = Exclude<TimelineEntry, { readonly what: "next" | "discovered" }>;

function* pastOf(file: FileRecord, parts: readonly FinishedPart[]): Generator<Past> {
  const { evidence, transfer, state } = file;
  if (evidence) {
    const { uploadedAt, key, size, etag } = evidence;
    yield { what: "uploaded", at: uploadedAt, key, size, etag };
  }
  // Before what came of it.
  for (const trace of file.steps) yield { what: "step", at: trace.endedAt, ...trace };
  yield* file.history;
  if (transfer) {
    const bytes = parts.reduce((sum, { size }) => sum + size, 0);
    yield { what: "begun", at: transfer.startedAt, parts: parts.length, bytes };
  }
  if (state === "SKIPPED") yield { what: "skipped", at: file.updatedAt, reason: file.reason };
  if (state === "REMOVED") yield { what: "removed", at: file.updatedAt, reason: file.reason };
}

function nextOf({ state, nextAttemptAt }: FileRecord): TimelineEntry[] {
  if (state !== "PENDING" && (state !== "FAILED" || nextAttemptAt >= NEVER)) return [];
  return [{ what: "next", at: nextAttemptAt > 0 ? nextAttemptAt : null }];
}
