import { type ReadonlySignal, useSignal, useSignalEffect } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useCallback, useEffect, useMemo, useRef } from "preact/hooks";
import type { File, FileState, Upload } from "../api/types.ts";
import { Grid } from "../parts/grid.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, ReasonText, Trouble, Waiting } from "../parts/notice.tsx";
import { Search } from "../parts/search.tsx";
import { StateBadge } from "../parts/state.tsx";
import { StateFilter } from "../parts/state-filter.tsx";
import { Time } from "../parts/time.tsx";
import { place, refine } from "../router.ts";
import { FilePages } from "../state/file-pages.ts";
import { onEvents, onMissed } from "../state/live.ts";
import { bytes, percent } from "../text/format.ts";
import { Path } from "../text/inert.tsx";
import { FileDrawer } from "./file-drawer.tsx";

const STATES: readonly FileState[] = ["IN_PROGRESS", "PENDING", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"];
/** Between two readings of a list that changes while its beginning is looked at. */
const REFRESH_MS = 1500;
/** A list whose rows are this near to its beginning is read anew by itself. */
const NEAR_TOP = 40;

/** The files of an upload, and one of them in a drawer. */
export function Files({ upload }: { upload: Upload }): JSX.Element {
  const { query } = place.value;
  const state = query.get("state") as FileState | null;
  const search = query.get("q") ?? "";
  const open = query.get("file");
  return (
    <section class="files" aria-labelledby="files">
      <h2 id="files">Files</h2>
      <div class="tools">
        <StateFilter
          states={STATES}
          counts={countsOf(upload)}
          value={state}
          onPick={(value) => refine({ state: value })}
        />
        <Search label="Search paths" value={search} onInput={(q) => refine({ q })} />
      </div>
      <List key={`${state} ${search}`} upload={upload} state={state} search={search} />
      {open !== null && (
        <FileDrawer key={open} uploadId={upload.upload_id} fileId={open} onClose={() => refine({ file: null })} />
      )}
    </section>
  );
}

interface ListProps {
  readonly upload: Upload;
  readonly state: FileState | null;
  readonly search: string;
}

function List({ upload, state, search }: ListProps): JSX.Element {
  const pages = useMemo(() => new FilePages({ uploadId: upload.upload_id, state, search }), []);
  const scrolled = useSignal(false);
  useFresh(pages, scrolled);
  const onShow = useCallback((from: number, to: number) => {
    scrolled.value = from > NEAR_TOP;
    pages.show(from, to);
  }, []);
  const count = pages.count.value;
  const trouble = pages.trouble.value;
  const total = totalOf(upload, state, search, pages.more.value, count);
  if (count === 0) {
    if (trouble) return <Trouble error={trouble} again={() => pages.again()} />;
    return pages.more.value ? (
      <Waiting what="Reading files" />
    ) : (
      <NoFiles upload={upload} filtered={state !== null || search !== ""} />
    );
  }
  return (
    <>
      <Grid
        label="Files"
        kind="files"
        columns={["Path", "State", "Size", "Changed", "Reason"]}
        count={count}
        total={total}
        height={[36, 84]}
        version={pages.version.value}
        cells={(index) => cells(pages, index)}
        onOpen={(index) => {
          const file = pages.row(index);
          if (file) refine({ file: file.file_id });
        }}
        onShow={onShow}
      />
      {trouble && <Trouble error={trouble} again={() => pages.again()} />}
      {pages.more.value && !trouble && <Waiting what="Reading more files" />}
      {scrolled.value && <Refresh pages={pages} />}
    </>
  );
}

/** Keeps the rows as the service tells of them. */
function useFresh(pages: FilePages, scrolled: ReadonlySignal<boolean>): void {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    const stops = [
      onEvents((events) => pages.apply(events)),
      onMissed(() => void pages.restart()),
      () => pages.close(),
    ];
    return () => {
      clearTimeout(timer.current);
      for (const stop of stops) stop();
    };
  }, []);
  useSignalEffect(() => {
    if (!pages.stale.value || scrolled.value || timer.current !== undefined) return;
    timer.current = setTimeout(() => {
      timer.current = undefined;
      // Rows do not move under the eyes of whoever has scrolled down; they get a button.
      if (!scrolled.peek()) void pages.restart();
    }, REFRESH_MS);
  });
}

function Refresh({ pages }: { pages: FilePages }): JSX.Element | null {
  if (!pages.stale.value) return null;
  return (
    <button
      type="button"
      class="button refresh"
      onClick={() => {
        document.getElementById("files")?.scrollIntoView();
        void pages.restart();
      }}
    >
      <Icon name="retry" /> The list has changed: read it again
    </button>
  );
}

function cells(pages: FilePages, index: number): readonly ComponentChildren[] {
  const file = pages.row(index);
  if (!file) return [<span class="placeholder" />, null, null, null, null];
  return [
    <Path text={file.path} />,
    <FileStateCell file={file} sent={pages.sent(file.path)} />,
    <span class="number">{bytes(file.size)}</span>,
    <Time at={file.updated_at} />,
    file.reason && <ReasonText reason={file.reason} />,
  ];
}

function FileStateCell({ file, sent }: { file: File; sent: number | undefined }): JSX.Element {
  return (
    <>
      <StateBadge state={file.state} />
      {file.state === "IN_PROGRESS" && sent !== undefined && file.size > 0 && (
        <span class="quiet number">{percent(sent / file.size)}</span>
      )}
    </>
  );
}

function NoFiles({ upload, filtered }: { upload: Upload; filtered: boolean }): JSX.Element {
  if (filtered) {
    return (
      <Empty icon="scan" title="No file matches">
        <button type="button" class="button" onClick={() => refine({ state: null, q: null })}>
          Show all
        </button>
      </Empty>
    );
  }
  return (
    <Empty icon="folder" title={upload.last_scan ? "No file in the folder matches the pattern" : "Nothing found yet"}>
      <p class="quiet">
        {upload.settings.mode === "watch"
          ? "Files show up here as they come into the folder."
          : "The folder is being looked at."}
      </p>
    </Empty>
  );
}

/** As far as an upload's figures tell; a state that is not named has none. */
function countsOf(upload: Upload): Partial<Record<FileState, number>> {
  return {
    ...(upload.pending_files === 0 && { PENDING: 0, IN_PROGRESS: 0 }),
    UPLOADED: upload.completed_files,
    FAILED: upload.failed_files,
    SKIPPED: upload.skipped_files,
  };
}

function totalOf(upload: Upload, state: FileState | null, search: string, more: boolean, count: number): number | null {
  if (!more) return count;
  if (search !== "" || state === null) return null;
  return countsOf(upload)[state] ?? null;
}
