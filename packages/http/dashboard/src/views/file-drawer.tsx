import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError, read } from "../api/client.ts";
import type { File, StepRun, TimelineEntry } from "../api/types.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Facts } from "../parts/facts.tsx";
import { ReasonText, Trouble, Waiting } from "../parts/notice.tsx";
import { StateBadge } from "../parts/state.tsx";
import { Time } from "../parts/time.tsx";
import { onEvents, onMissed } from "../state/live.ts";
import { bytes, count, counted } from "../text/format.ts";
import { Inert, Path } from "../text/inert.tsx";

interface Props {
  readonly uploadId: string;
  readonly fileId: string;
  readonly onClose: () => void;
}

interface Told {
  readonly file: File;
  readonly entries: readonly TimelineEntry[];
}

const REREAD_MS = 500;

/** One file: what is known of it, and what befell it. */
export function FileDrawer({ uploadId, fileId, onClose }: Props): JSX.Element {
  const told = useSignal<Told | null>(null);
  const trouble = useSignal<ApiError | null>(null);
  const load = () => {
    readFile(uploadId, fileId).then(
      (found) => {
        trouble.value = null;
        told.value = found;
      },
      (error: unknown) => {
        if (error instanceof ApiError && !told.peek()) trouble.value = error;
      },
    );
  };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        load();
      }, REREAD_MS);
    };
    const stops = [
      onMissed(soon),
      onEvents((events) => {
        const path = told.peek()?.file.path;
        if (events.some((event) => event.upload_id === uploadId && event.path === path && path !== undefined)) soon();
      }),
    ];
    load();
    return () => {
      clearTimeout(timer);
      for (const stop of stops) stop();
    };
  }, []);
  const file = told.value?.file;
  return (
    <Dialog title={file ? <Path text={file.path} /> : "File"} shape="drawer" onClose={onClose}>
      {trouble.value && <Trouble error={trouble.value} again={load} />}
      {!file && !trouble.value && <Waiting what="Reading the file" />}
      {told.value && <FileFacts {...told.value} />}
    </Dialog>
  );
}

async function readFile(uploadId: string, fileId: string): Promise<Told> {
  const path = `/uploads/${encodeURIComponent(uploadId)}/files/${encodeURIComponent(fileId)}`;
  const [file, timeline] = await Promise.all([
    read<File>(path),
    read<{ readonly entries: readonly TimelineEntry[] }>(`${path}/timeline`),
  ]);
  return { file, entries: timeline.entries };
}

function FileFacts({ file, entries }: Told): JSX.Element {
  const text = (value: string | null) => value && <Inert class="mono" text={value} />;
  return (
    <>
      <p class="drawer-state">
        <StateBadge state={file.state} /> <span class="number">{bytes(file.size)}</span>
      </p>
      {file.reason && (
        <p class="remark">
          <ReasonText reason={file.reason} />
        </p>
      )}
      {file.reason?.code === "FILE_REJECTED" && (
        <p class="quiet">
          Rejected, not broken: it is checked again when it changes, or when failed files are retried.
        </p>
      )}
      <h3>Timeline</h3>
      <Timeline entries={entries} />
      <h3>Facts</h3>
      <Facts
        of={[
          ["Path", text(file.path)],
          ["Key", file.key === "" ? null : text(file.key)],
          ["Size", `${count(file.size)} bytes`],
          ["Modified", <Time at={file.modified_at} />],
          ["Uploaded", file.uploaded_at && <Time at={file.uploaded_at} />],
          ["ETag", text(file.etag)],
          ["Version", text(file.version_id)],
          ["Checksum", text(file.checksum)],
          ["Attempts", count(file.attempts)],
          ["Next attempt", file.next_attempt_at && <Time at={file.next_attempt_at} />],
          ["Part size", file.part_size === null ? null : bytes(file.part_size)],
          ["Discovered", <Time at={file.created_at} />],
          ["Updated", <Time at={file.updated_at} />],
        ]}
      />
    </>
  );
}

const WHAT: Readonly<Record<TimelineEntry["what"], readonly [tone: string, text: string]>> = {
  discovered: ["calm", "Discovered"],
  begun: ["active", "Transfer begun"],
  uploaded: ["good", "In the bucket"],
  skipped: ["calm", "Skipped"],
  removed: ["calm", "Gone from the folder"],
  step: ["calm", "Step of its pipeline"],
  next: ["wait", "Next attempt"],
  retry: ["wait", "Attempt did not succeed"],
  fail: ["bad", "Failed"],
  rescue: ["wait", "Taken back from a service that died or gave up"],
  changed: ["calm", "Changed in the folder"],
  disproved: ["wait", "The bucket did not hold what was recorded"],
  requeue: ["calm", "Queued again after it had failed"],
};

const OUTCOME: Readonly<Record<StepRun["outcome"], readonly [tone: string, text: string]>> = {
  passed: ["good", "Passed"],
  rejected: ["bad", "Rejected by"],
  transformed: ["good", "Transformed by"],
  failed: ["bad", "Failed in"],
  unavailable: ["wait", "Waits for"],
  cancelled: ["calm", "Ended before it was through with"],
};

function ran({ step, outcome }: StepRun): readonly [tone: string, text: string] {
  const [tone, text] = OUTCOME[outcome];
  return [tone, `${text} ${step}`];
}

/** How long a step took, what went in and came out, and what it said. */
function StepRunFacts({ of: { duration_ms, bytes_in, bytes_out, outcome, message } }: { of: StepRun }): JSX.Element {
  const read = outcome === "transformed" ? `${bytes(bytes_in)} → ${bytes(bytes_out)}` : `${bytes(bytes_in)} read`;
  return (
    <>
      <p class="quiet number">
        {duration_ms < 1000 ? `${count(duration_ms)} ms` : `${(duration_ms / 1000).toFixed(1)} s`} · {read}
      </p>
      {message && (
        <p>
          <Inert text={message} />
        </p>
      )}
    </>
  );
}

function Timeline({ entries }: { entries: readonly TimelineEntry[] }): JSX.Element {
  return (
    <ol class="timeline">
      {entries.map((entry, at) => {
        const [tone, text] = entry.step ? ran(entry.step) : WHAT[entry.what];
        return (
          <li key={`${entry.at} ${at}`} class={`tone-${tone}`}>
            {entry.at === null ? <span class="quiet">As soon as may be</span> : <Time at={entry.at} />}
            <p>
              {text}
              {entry.attempt !== null && entry.attempt > 0 && <span class="quiet"> · attempt {entry.attempt}</span>}
              {entry.parts !== null && entry.parts > 0 && (
                <span class="quiet"> · {counted(entry.parts, "part")} finished</span>
              )}
              {entry.bytes !== null && entry.bytes > 0 && <span class="quiet"> · {bytes(entry.bytes)}</span>}
            </p>
            {entry.step && <StepRunFacts of={entry.step} />}
            {entry.reason && <ReasonText reason={entry.reason} />}
          </li>
        );
      })}
    </ol>
  );
}
