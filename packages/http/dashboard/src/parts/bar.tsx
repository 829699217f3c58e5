import type { JSX } from "preact";
import type { Upload } from "../api/types.ts";
import { counted, percent } from "../text/format.ts";
import { toneOf } from "./state.tsx";

/** How much of an upload is in the bucket, and, in red at its end, which share of its files failed. */
export function Bar({ upload, label }: { upload: Upload; label: string }): JSX.Element {
  const { progress, state, total_files, failed_files } = upload;
  const failed = total_files === 0 ? 0 : failed_files / total_files;
  const text = `${percent(progress)}${failed_files > 0 ? `, ${counted(failed_files, "file")} failed` : ""}`;
  // Something is being looked for, and nobody knows how much there is.
  const busy = state === "IN_PROGRESS" && total_files === 0;
  return (
    <div
      class={`bar tone-${toneOf(state)} ${busy ? "bar-busy" : ""}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={busy ? undefined : Math.floor(progress * 100)}
      aria-valuetext={busy ? "Looking for files" : text}
      style={{ "--done": progress, "--failed": Math.min(failed, 1 - progress) }}
    >
      <span class="bar-done" />
      <span class="bar-failed" />
    </div>
  );
}
