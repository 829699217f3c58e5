import { useComputed } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import type { Upload, UploadState } from "../api/types.ts";
import { Bar } from "../parts/bar.tsx";
import { Grid } from "../parts/grid.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, Trouble, Waiting } from "../parts/notice.tsx";
import { Search } from "../parts/search.tsx";
import { StateBadge } from "../parts/state.tsx";
import { StateFilter } from "../parts/state-filter.tsx";
import { useTitle } from "../parts/title.ts";
import { WatchText } from "../parts/watch.tsx";
import { go, href, place, refine } from "../router.ts";
import { mayChange } from "../state/session.ts";
import { listing, loadUploads, truncated, uploads } from "../state/uploads.ts";
import { bytes, count, duration, percent, rate } from "../text/format.ts";
import { Inert } from "../text/inert.tsx";

const STATES: readonly UploadState[] = ["IN_PROGRESS", "PENDING", "COMPLETED", "FAILED", "PAUSED", "CANCELLED"];

export function UploadsView(): JSX.Element {
  useTitle("Uploads");
  const shown = useComputed(() => matching(uploads.value, place.value.query));
  const counts = useComputed(() => countStates(uploads.value));
  const state = place.value.query.get("state") as UploadState | null;
  const loaded = listing.value;
  return (
    <>
      <div class="page-head">
        <h1>Uploads</h1>
        {loaded === "ready" && <Sums list={uploads.value} />}
        {mayChange.value && (
          <a class="button button-main" href={href(["new"])}>
            <Icon name="plus" /> New upload
          </a>
        )}
      </div>
      {loaded === "loading" && <Waiting what="Reading uploads" />}
      {loaded instanceof Error && <Trouble error={loaded} again={() => void loadUploads()} />}
      {loaded === "ready" && uploads.value.length === 0 && <None />}
      {loaded === "ready" && uploads.value.length > 0 && (
        <>
          <div class="tools">
            <StateFilter
              states={STATES}
              counts={counts.value}
              value={state}
              onPick={(value) => refine({ state: value })}
            />
            <Search label="Search uploads" value={place.value.query.get("q") ?? ""} onInput={(q) => refine({ q })} />
          </div>
          <List shown={shown.value} />
          {truncated.value && (
            <p class="quiet">
              Only the first {count(uploads.value.length)} uploads are shown. The API lists all of them.
            </p>
          )}
        </>
      )}
    </>
  );
}

function List({ shown }: { shown: readonly Upload[] }): JSX.Element {
  if (shown.length === 0) {
    return (
      <Empty icon="scan" title="No upload matches">
        <button type="button" class="button" onClick={() => refine({ state: null, q: null })}>
          Show all
        </button>
      </Empty>
    );
  }
  return (
    <Grid
      label="Uploads"
      kind="uploads"
      columns={["Upload", "State", "Progress", "Files", "Size", "Rate", "Folder watch"]}
      count={shown.length}
      total={shown.length}
      height={[60, 132]}
      version={shown}
      cells={(index) => cells(shown[index]!)}
      onOpen={(index) => go(["uploads", shown[index]!.upload_id])}
    />
  );
}

function cells(upload: Upload): readonly ComponentChildren[] {
  const { upload_id, source_folder, destination_bucket, completed_files, total_files, failed_files } = upload;
  return [
    <>
      <a class="row-title" href={href(["uploads", upload_id])} tabIndex={-1}>
        {upload_id}
      </a>
      <span class="route">
        <Inert text={source_folder} /> <Icon name="arrow" size={12} /> <Inert text={destination_bucket} />
      </span>
    </>,
    <StateBadge state={upload.state} />,
    <>
      <Bar upload={upload} label={`Progress of ${upload_id}`} />
      <span class="number">{percent(upload.progress)}</span>
    </>,
    <>
      <span class="number">
        {count(completed_files)} <span class="quiet">of {count(total_files)}</span>
      </span>
      {failed_files > 0 && <span class="failures">{count(failed_files)} failed</span>}
    </>,
    <span class="number">
      {bytes(upload.completed_bytes)} <span class="quiet">of {bytes(upload.total_bytes)}</span>
    </span>,
    <Pace upload={upload} />,
    <WatchText watch={upload.watch} mode={upload.settings.mode} state={upload.state} />,
  ];
}

function Pace({ upload }: { upload: Upload }): JSX.Element | null {
  if (upload.state !== "IN_PROGRESS" || upload.rate === 0) return null;
  return (
    <span class="number">
      {rate(upload.rate)}
      {upload.eta_seconds !== null && <span class="quiet eta">{duration(upload.eta_seconds)} left</span>}
    </span>
  );
}

function Sums({ list }: { list: readonly Upload[] }): JSX.Element | null {
  const active = list.filter((upload) => upload.state === "IN_PROGRESS");
  const pace = active.reduce((sum, upload) => sum + upload.rate, 0);
  const failed = list.reduce((sum, upload) => sum + upload.failed_files, 0);
  if (list.length === 0) return null;
  return (
    <p class="sums">
      <span>{count(active.length)} in progress</span>
      {pace > 0 && <span class="number">{rate(pace)}</span>}
      {failed > 0 && <span class="failures">{count(failed)} files failed</span>}
    </p>
  );
}

function None(): JSX.Element {
  return (
    <Empty icon="folder" title="No uploads yet">
      <p class="quiet">An upload keeps a folder flowing into a bucket.</p>
      {mayChange.value && (
        <a class="button button-main" href={href(["new"])}>
          <Icon name="plus" /> New upload
        </a>
      )}
    </Empty>
  );
}

function matching(list: readonly Upload[], query: URLSearchParams): readonly Upload[] {
  const state = query.get("state");
  const text = (query.get("q") ?? "").toLowerCase();
  return list.filter(
    (upload) =>
      (state === null || upload.state === state) &&
      (text === "" ||
        [upload.upload_id, upload.source_folder, upload.destination_bucket].some((field) =>
          field.toLowerCase().includes(text),
        )),
  );
}

function countStates(list: readonly Upload[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = Object.fromEntries(STATES.map((state) => [state, 0]));
  for (const { state } of list) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
