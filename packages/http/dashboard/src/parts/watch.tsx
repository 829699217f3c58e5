import type { JSX } from "preact";
import type { Upload, Watch } from "../api/types.ts";
import { revealed } from "../text/inert.tsx";

const TEXTS: Readonly<Record<string, readonly [tone: string, text: string, title: string]>> = {
  live: ["good", "Live", "Changes in the folder are heard at once."],
  starting: ["calm", "Starting", "The folder's watcher is being set up."],
  polling: ["calm", "Polling", "The folder is scanned at intervals."],
  degraded: ["wait", "Degraded", "Not all changes are heard; polling finds them later."],
};

/** How changes in the folder are noticed. */
export function WatchText(props: {
  watch: Watch;
  mode: Upload["settings"]["mode"];
  state: Upload["state"];
}): JSX.Element {
  const { watch, mode, state } = props;
  if (state === "CANCELLED") return <span class="quiet">Ended</span>;
  if (mode === "once") return <span class="quiet">Once</span>;
  const [tone, text, title] = TEXTS[watch.state] ?? ["calm", watch.state, ""];
  return (
    <span class={`watch tone-${tone}`} title={watch.reason ? revealed(watch.reason.message) : title}>
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  );
}
