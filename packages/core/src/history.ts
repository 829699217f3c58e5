import type { Reason } from "./errors.ts";
import type { FileAction, FileRecord } from "./file.ts";

/** Something that befell a file and that no other field of its record keeps. Plain JSON. */
export interface HistoryEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  /**
   * `retry`, `fail`: an attempt did not succeed · `rescue`: its owner gave up or died · `changed`: the file was another one
   * than before · `disproved`: the bucket did not hold what was recorded · `requeue`: queued again after it failed.
   */
  readonly what: (typeof HISTORY_KINDS)[number];
  /** The attempt in question, counted since the file was last queued afresh; 0: none. */
  readonly attempt: number;
  readonly reason: Reason | null;
}

/** What a file's history tells of; all else is in other fields of its record. */
export const HISTORY_KINDS = ["retry", "fail", "rescue", "changed", "disproved", "requeue"] as const;

/** Entries a record keeps: of more the oldest `retry` goes, or else the oldest one. Bounds what one poison file costs. */
export const HISTORY_LIMIT = 16;
/** Characters of a reason's message that are kept here; `FileRecord.reason` has all of the last one. */
const MESSAGE_LIMIT = 300;

/** The history after the action: the same array when the action leaves no trace, so that most files never have one. */
export function historyAfter(file: FileRecord, action: FileAction, now: number): readonly HistoryEntry[] {
  const entry = entryOf(file, action);
  if (!entry) return file.history;
  // A file that is written to for hours is seen changed at every scan: that is one thing, not many.
  const kept =
    entry.what === "changed" && file.history.at(-1)?.what === "changed" ? file.history.slice(0, -1) : file.history;
  return bounded([...kept, { at: now, ...entry }]);
}

/** Attempts go first: how often and why it failed for good says more, and decides whether a failure is news. */
function bounded(entries: HistoryEntry[]): readonly HistoryEntry[] {
  if (entries.length <= HISTORY_LIMIT) return entries;
  const oldest = entries.findIndex(({ what }) => what === "retry");
  return entries.toSpliced(Math.max(oldest, 0), 1);
}

function entryOf(file: FileRecord, action: FileAction): Omit<HistoryEntry, "at"> | undefined {
  const attempt = file.attempts;
  switch (action.type) {
    case "retry":
    case "fail":
    case "disproved":
      return { what: action.type, attempt, reason: clipped(action.reason) };
    case "release":
      return action.burnt ? { what: "rescue", attempt, reason: null } : undefined;
    case "changed":
      return { what: "changed", attempt: 0, reason: null };
    case "requeue":
      return file.state === "FAILED" ? { what: "requeue", attempt: 0, reason: null } : undefined;
    default:
      return undefined;
  }
}

function clipped({ code, message }: Reason): Reason {
  return { code, message: message.length > MESSAGE_LIMIT ? `${message.slice(0, MESSAGE_LIMIT)}…` : message };
}
