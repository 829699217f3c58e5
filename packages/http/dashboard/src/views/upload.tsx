import { type Signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { ApiError } from "../api/client.ts";
import type { Upload } from "../api/types.ts";
import { Bar } from "../parts/bar.tsx";
import { Icon } from "../parts/icon.tsx";
import { ReasonText, Trouble, Waiting } from "../parts/notice.tsx";
import { StateBadge } from "../parts/state.tsx";
import { useTitle } from "../parts/title.ts";
import { WatchText } from "../parts/watch.tsx";
import { href } from "../router.ts";
import { onMissed } from "../state/live.ts";
import { mayChange } from "../state/session.ts";
import { loadUpload, peekUpload, rereadUpload } from "../state/uploads.ts";
import { bytes, count, duration, percent, rate } from "../text/format.ts";
import { Inert } from "../text/inert.tsx";
import { Actions } from "./actions.tsx";
import { Files } from "./files.tsx";
import { LastScan } from "./last-scan.tsx";
import { Settings } from "./settings.tsx";

/** One upload. Mounted anew for each. */
export function UploadPage({ id }: { id: string }): JSX.Element {
  useTitle(id);
  const found = useSignal<Signal<Upload> | undefined>(peekUpload(id));
  const trouble = useSignal<ApiError | null>(null);
  const load = () => {
    trouble.value = null;
    loadUpload(id).then(
      ({ upload }) => {
        found.value = upload;
      },
      (error: ApiError) => {
        if (!found.peek()) trouble.value = error;
      },
    );
  };
  useEffect(() => {
    load();
    return onMissed(() => rereadUpload(id));
  }, []);
  return (
    <>
      <a class="back" href={href(["uploads"])}>
        <Icon name="back" /> Uploads
      </a>
      {!found.value && (
        <div class="page-head">
          <h1>
            <Inert text={id} />
          </h1>
        </div>
      )}
      {trouble.value && <Trouble error={trouble.value} again={load} />}
      {!trouble.value && !found.value && <Waiting what="Reading the upload" />}
      {found.value && <Details upload={found.value.value} />}
    </>
  );
}

function Details({ upload }: { upload: Upload }): JSX.Element {
  return (
    <>
      <div class="page-head">
        <div class="page-title">
          <h1>{upload.upload_id}</h1>
          <p class="route">
            <Icon name="folder" size={14} />
            <Inert text={upload.source_folder} />
            <Icon name="arrow" size={12} />
            <Icon name="bucket" size={14} />
            <Inert text={upload.destination_bucket} />
          </p>
        </div>
        {mayChange.value && <Actions upload={upload} />}
      </div>
      {upload.reason && (
        <div class="trouble">
          <Icon name="bad" />
          <ReasonText reason={upload.reason} />
        </div>
      )}
      <Progress upload={upload} />
      <div class="panels">
        <Settings upload={upload} />
        <LastScan upload={upload} />
      </div>
      <Files upload={upload} />
    </>
  );
}

function Progress({ upload }: { upload: Upload }): JSX.Element {
  const { completed_files, total_files, failed_files, skipped_files, pending_files, state, eta_seconds } = upload;
  const moving = state === "IN_PROGRESS";
  return (
    <section class="panel progress" aria-label="Progress">
      <div class="progress-head">
        <StateBadge state={state} />
        <span class="progress-watch">
          <span class="quiet">Folder watch</span>
          <WatchText watch={upload.watch} mode={upload.settings.mode} state={state} />
        </span>
        <span class="progress-percent number">{percent(upload.progress)}</span>
      </div>
      <Bar upload={upload} label={`Progress of ${upload.upload_id}`} />
      <dl class="figures">
        <Figure name="Files" value={count(completed_files)} rest={`of ${count(total_files)}`} />
        <Figure name="Size" value={bytes(upload.completed_bytes)} rest={`of ${bytes(upload.total_bytes)}`} />
        <Figure name="Rate" value={moving ? rate(upload.rate) : "–"} />
        <Figure name="Time left" value={moving && eta_seconds !== null ? duration(eta_seconds) : "–"} />
        <Figure name="Waiting" value={count(pending_files)} />
        <Figure name="Failed" value={count(failed_files)} tone={failed_files > 0 ? "bad" : undefined} />
        <Figure name="Skipped" value={count(skipped_files)} />
      </dl>
    </section>
  );
}

function Figure(props: { name: string; value: string; rest?: string; tone?: "bad" | undefined }): JSX.Element {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd class={`number ${props.tone ? `text-${props.tone}` : ""}`}>
        {props.value} {props.rest && <span class="quiet">{props.rest}</span>}
      </dd>
    </div>
  );
}
