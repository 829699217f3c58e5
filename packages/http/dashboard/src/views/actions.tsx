import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { post, request } from "../api/client.ts";
import type { Upload, UploadState } from "../api/types.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { act } from "../state/notify.ts";
import { rereadUpload } from "../state/uploads.ts";
import { counted } from "../text/format.ts";
import { Adjust } from "./adjust.tsx";

const PAUSABLE: readonly UploadState[] = ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"];

/** What can be done with an upload in its state. */
export function Actions({ upload }: { upload: Upload }): JSX.Element | null {
  const asked = useSignal<"cancel" | "adjust" | null>(null);
  const { upload_id: id, state, failed_files } = upload;
  if (state === "CANCELLED") return null;
  const close = () => {
    asked.value = null;
  };
  return (
    <div class="actions">
      {failed_files > 0 && state !== "PAUSED" && (
        <Action icon="retry" text="Retry failed" main onClick={() => retry(id)} />
      )}
      {state === "PAUSED" && (
        <Action icon="play" text="Resume" main onClick={() => steer(id, "resume", `Resumed ${id}`)} />
      )}
      {PAUSABLE.includes(state) && (
        <Action icon="paused" text="Pause" onClick={() => steer(id, "pause", `Paused ${id}`)} />
      )}
      {state !== "PAUSED" && (
        <Action icon="scan" text="Scan now" onClick={() => steer(id, "check", `A scan of ${id} is due now`)} />
      )}
      <Action icon="adjust" text="Adjust" onClick={() => (asked.value = "adjust")} />
      <Action icon="ended" text="Cancel" danger onClick={() => (asked.value = "cancel")} />
      {asked.value === "adjust" && <Adjust id={id} onClose={close} />}
      {asked.value === "cancel" && (
        <Confirm title={`Cancel ${id}?`} action="Cancel the upload" onConfirm={() => cancel(id)} onClose={close}>
          <p>
            {counted(upload.pending_files, "file")} will not be sent, and transfers in flight are aborted. What is in
            the bucket stays there.
          </p>
          <p>This cannot be taken back.</p>
        </Confirm>
      )}
    </div>
  );
}

interface ActionProps {
  readonly icon: IconName;
  readonly text: string;
  readonly main?: boolean;
  readonly danger?: boolean;
  readonly onClick: () => unknown;
}

function Action({ icon, text, main, danger, onClick }: ActionProps): JSX.Element {
  const busy = useSignal(false);
  return (
    <button
      type="button"
      class={`button ${main ? "button-main" : ""} ${danger ? "button-quiet-danger" : ""}`}
      aria-disabled={busy.value}
      onClick={async () => {
        if (busy.value) return;
        busy.value = true;
        await onClick();
        busy.value = false;
      }}
    >
      <Icon name={icon} /> {text}
    </button>
  );
}

function path(id: string, what = ""): string {
  return `/uploads/${encodeURIComponent(id)}${what}`;
}

async function steer(id: string, what: "pause" | "resume" | "check", done: string): Promise<void> {
  await act(done, () => post(path(id, `/${what}`)));
  rereadUpload(id);
}

async function retry(id: string): Promise<void> {
  let files = 0;
  await act(`Failed files of ${id} are queued again`, async () => {
    files = (await post<{ readonly files: number }>(path(id, "/retry"))).files;
  });
  if (files > 0) rereadUpload(id);
}

async function cancel(id: string): Promise<void> {
  await act(`Cancelled ${id}`, () => request("DELETE", path(id)));
  rereadUpload(id);
}
