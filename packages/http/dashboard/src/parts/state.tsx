import type { JSX } from "preact";
import type { FileState, UploadState } from "../api/types.ts";
import { words } from "../text/format.ts";
import { Icon, type IconName } from "./icon.tsx";

export type Tone = "calm" | "active" | "good" | "bad" | "wait";

const LOOKS: Readonly<Record<UploadState | FileState, readonly [Tone, IconName]>> = {
  PENDING: ["calm", "pending"],
  IN_PROGRESS: ["active", "active"],
  COMPLETED: ["good", "good"],
  UPLOADED: ["good", "good"],
  FAILED: ["bad", "bad"],
  PAUSED: ["wait", "paused"],
  CANCELLED: ["calm", "ended"],
  SKIPPED: ["calm", "skipped"],
  REMOVED: ["calm", "ended"],
};

export function toneOf(state: UploadState | FileState): Tone {
  return LOOKS[state][0];
}

export function StateBadge({ state }: { state: UploadState | FileState }): JSX.Element {
  const [tone, icon] = LOOKS[state];
  return (
    <span class={`badge tone-${tone}`}>
      <Icon name={icon} size={14} />
      {words(state)}
    </span>
  );
}
