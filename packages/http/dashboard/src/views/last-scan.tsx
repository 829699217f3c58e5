import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { post } from "../api/client.ts";
import type { Upload } from "../api/types.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Facts } from "../parts/facts.tsx";
import { ReasonText } from "../parts/notice.tsx";
import { Time } from "../parts/time.tsx";
import { act } from "../state/notify.ts";
import { mayChange } from "../state/session.ts";
import { count, duration } from "../text/format.ts";

/** What the last scan of the folder found, and what it did not dare to believe. */
export function LastScan({ upload }: { upload: Upload }): JSX.Element {
  const { last_scan: scan, watch } = upload;
  return (
    <section class="panel" aria-labelledby="last-scan">
      <h2 id="last-scan">Last scan</h2>
      {!scan && <p class="quiet">The folder has not been scanned to its end yet.</p>}
      {scan && (
        <>
          <Facts
            of={[
              ["Finished", <Time at={scan.finished_at} ago />],
              ["Took", duration((Date.parse(scan.finished_at) - Date.parse(scan.started_at)) / 1000)],
              ["Seen", count(scan.seen)],
              ["New", count(scan.added)],
              ["Changed", count(scan.changed)],
              ["Gone", count(scan.removed)],
              ["Skipped", count(scan.skipped)],
              ["Still changing", scan.unstable > 0 ? count(scan.unstable) : null],
            ]}
          />
          {!scan.complete && <p class="remark">A folder could not be read. What it may hold was left as it was.</p>}
          {scan.doubt && (
            <p class="remark">
              <ReasonText reason={scan.doubt} />
            </p>
          )}
        </>
      )}
      {watch.reason && (
        <p class="remark">
          <ReasonText reason={watch.reason} />
        </p>
      )}
      {mayChange.value && upload.state !== "CANCELLED" && <Bolder upload={upload} />}
    </section>
  );
}

const WISHES = {
  trust_folder: {
    button: "Trust the folder",
    title: "Trust the folder as it is?",
    text: "The next scan takes files that are not there for gone, although the folder may be the wrong one.",
    done: "A scan that trusts the folder is due now",
  },
  allow_deletes: {
    button: "Allow deletes",
    title: "Delete as many objects as there are files gone?",
    text: "The next scan deletes the objects of all files that are gone from the folder, however many.",
    done: "A scan that may delete is due now",
  },
} as const;

/** Scans that do what a scan by itself would not. */
function Bolder({ upload }: { upload: Upload }): JSX.Element | null {
  const asked = useSignal<keyof typeof WISHES | null>(null);
  const offered = (["trust_folder", "allow_deletes"] as const).filter((wish) =>
    wish === "trust_folder" ? upload.last_scan?.doubt : upload.settings.on_source_delete === "delete",
  );
  const wish = asked.value;
  if (offered.length === 0) return null;
  return (
    <p class="panel-foot">
      {offered.map((name) => (
        <button key={name} type="button" class="button" onClick={() => (asked.value = name)}>
          {WISHES[name].button}
        </button>
      ))}
      {wish && (
        <Confirm
          title={WISHES[wish].title}
          action={WISHES[wish].button}
          onClose={() => (asked.value = null)}
          onConfirm={() =>
            act(WISHES[wish].done, () =>
              post(`/uploads/${encodeURIComponent(upload.upload_id)}/check`, { [wish]: true }),
            )
          }
        >
          <p>{WISHES[wish].text}</p>
        </Confirm>
      )}
    </p>
  );
}
