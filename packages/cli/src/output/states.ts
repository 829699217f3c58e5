import type { FileState, UploadState } from "@bucketline/core";
import type { Cell } from "./table.ts";
import type { Style } from "./terminal.ts";

const STYLES: Readonly<Partial<Record<UploadState | FileState, Style>>> = {
  IN_PROGRESS: "cyan",
  COMPLETED: "green",
  UPLOADED: "green",
  FAILED: "red",
  PAUSED: "yellow",
  SKIPPED: "dim",
  REMOVED: "dim",
  CANCELLED: "dim",
};

/** A state as people read it, `in progress`, in its colour. */
export function stateCell(state: UploadState | FileState): Cell {
  const text = state.toLowerCase().replaceAll("_", " ");
  const style = STYLES[state];
  return style ? { text, style } : { text };
}
