import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Empty, ReasonText } from "../parts/notice.tsx";
import { Time } from "../parts/time.tsx";
import { useTitle } from "../parts/title.ts";
import { href, place, refine } from "../router.ts";
import { activity, type Entry, gap, isTrouble } from "../state/activity.ts";
import { bytes, counted } from "../text/format.ts";
import { Inert, Path } from "../text/inert.tsx";

/** Rows that are made; older ones are a filter away. */
const ROWS = 150;

const KINDS = [
  ["all", "All"],
  ["trouble", "Failures"],
  ["upload", "Uploads"],
  ["file", "Files"],
] as const;

/** What has happened since the page was opened. */
export function ActivityView(): JSX.Element {
  useTitle("Activity");
  const held = useSignal<readonly Entry[] | null>(null);
  const kind = place.value.query.get("kind") ?? "all";
  const shown = useComputed(() => {
    const wanted = place.value.query.get("kind") ?? "all";
    return (held.value ?? activity.value).filter((entry) => matches(entry, wanted)).slice(0, ROWS);
  });
  return (
    <>
      <div class="page-head">
        <h1>Activity</h1>
        <p class="sums">Since this page was opened</p>
      </div>
      <div class="tools">
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset brings a look of its own */}
        <div class="filter" role="group" aria-label="Filter events">
          {KINDS.map(([name, title]) => (
            <button
              key={name}
              type="button"
              aria-pressed={kind === name}
              onClick={() => refine({ kind: name === "all" ? null : name })}
            >
              {title}
            </button>
          ))}
        </div>
        <button
          type="button"
          class="button"
          aria-pressed={held.value !== null}
          onClick={() => (held.value = held.value === null ? activity.peek() : null)}
        >
          {held.value === null ? "Hold" : "Go on"}
        </button>
      </div>
      {gap.value && <p class="remark">The connection was lost for a while: something may be missing here.</p>}
      {shown.value.length === 0 ? (
        <Empty icon="pending" title="Nothing has happened yet">
          <p class="quiet">Events show up here as they come.</p>
        </Empty>
      ) : (
        <ol class="events panel">
          {shown.value.map((entry) => (
            <Line key={entry.id} entry={entry} />
          ))}
        </ol>
      )}
    </>
  );
}

function matches(entry: Entry, kind: string): boolean {
  if (kind === "trouble") return isTrouble(entry);
  return kind === "all" || entry.name.startsWith(`${kind}:`);
}

function Line({ entry }: { entry: Entry }): JSX.Element {
  const { name, at, upload_id, path, file_id, reason } = entry;
  return (
    <li class={isTrouble(entry) ? "event-trouble" : ""}>
      <Time at={at} />
      <code class="event-name">{name}</code>
      <span class="event-text">
        {upload_id !== undefined && <a href={href(["uploads", upload_id])}>{upload_id}</a>}
        {path !== undefined && upload_id !== undefined && (
          <a class="plain" href={href(["uploads", upload_id], { file: file_id ?? null })}>
            <Path text={path} />
          </a>
        )}
        {reason && <ReasonText reason={reason} />}
        <More entry={entry} />
      </span>
    </li>
  );
}

/** What else there is to say about some events. */
function More({ entry }: { entry: Entry }): JSX.Element | null {
  const { name, size, files, message, code, scan } = entry;
  if (name === "file:uploaded" && typeof size === "number") return <span class="quiet number">{bytes(size)}</span>;
  if (name === "warning" && typeof message === "string") return <ReasonText reason={{ code: String(code), message }} />;
  if (typeof files === "number") return <span class="quiet">{counted(files, "file")}</span>;
  if (typeof scan === "object" && scan !== null && "seen" in scan && "added" in scan) {
    return (
      <span class="quiet">
        <Inert text={`${counted(Number(scan.seen), "file")} seen, ${Number(scan.added)} new`} />
      </span>
    );
  }
  return null;
}
