import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { post, request } from "../api/client.ts";
import type { Notice } from "../api/types.ts";
import { Confirm } from "../parts/dialog.tsx";
import { ReasonText } from "../parts/notice.tsx";
import { Time } from "../parts/time.tsx";
import { href } from "../router.ts";
import { act } from "../state/notify.ts";
import { mayChange } from "../state/session.ts";
import { count } from "../text/format.ts";
import { Inert, Path } from "../text/inert.tsx";

interface NoticesProps {
  readonly id: string;
  readonly title: string;
  readonly none: string;
  readonly notices: readonly Notice[];
  readonly reload: () => void;
}

/** Notices in one state, and what can be done with them. */
export function Notices({ id, title, none, notices, reload }: NoticesProps): JSX.Element {
  const discarded = useSignal<Notice | null>(null);
  const change = async (done: string, send: () => Promise<unknown>) => {
    await act(done, send);
    reload();
  };
  const asked = discarded.value;
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {notices.length === 0 && <p class="quiet">{none}</p>}
      {notices.length > 0 && (
        <ol class="notices panel">
          {notices.map((notice) => (
            <Line
              key={notice.notice_id}
              notice={notice}
              onRetry={() =>
                change("It is delivered again", () => post(`/notices/${encodeURIComponent(notice.notice_id)}/retry`))
              }
              onDiscard={() => (discarded.value = notice)}
            />
          ))}
        </ol>
      )}
      {asked && (
        <Confirm
          title="Discard this notice?"
          action="Discard it"
          onClose={() => (discarded.value = null)}
          onConfirm={() =>
            change("Discarded", () => request("DELETE", `/notices/${encodeURIComponent(asked.notice_id)}`))
          }
        >
          <p>
            <Inert text={asked.subscriber} /> will never be told of this <code>{asked.event}</code>.
          </p>
        </Confirm>
      )}
    </section>
  );
}

function Line(props: { notice: Notice; onRetry: () => void; onDiscard: () => void }): JSX.Element {
  const { notice, onRetry, onDiscard } = props;
  return (
    <li>
      <div>
        <p>
          <code class="event-name">{notice.event}</code> to <strong>{notice.subscriber}</strong>{" "}
          <Subject notice={notice} />
        </p>
        <p class="quiet">
          <Time at={notice.created_at} /> · {count(notice.attempts)} {notice.attempts === 1 ? "attempt" : "attempts"}
          {notice.state === "DUE" && notice.next_attempt_at && (
            <>
              {" · next "}
              <Time at={notice.next_attempt_at} ago />
            </>
          )}
        </p>
        {notice.reason && <ReasonText reason={notice.reason} />}
      </div>
      {mayChange.value && (
        <div class="actions">
          {notice.state === "DEAD" && (
            <button type="button" class="button" onClick={onRetry}>
              Deliver again
            </button>
          )}
          <button type="button" class="button button-quiet-danger" onClick={onDiscard}>
            Discard
          </button>
        </div>
      )}
    </li>
  );
}

/** What the notice is about. */
function Subject({ notice: { data } }: { notice: Notice }): JSX.Element {
  const { upload_id: id, path } = data;
  return (
    <>
      {typeof id === "string" && <a href={href(["uploads", id])}>{id}</a>}{" "}
      {typeof path === "string" && <Path text={path} />}
    </>
  );
}
