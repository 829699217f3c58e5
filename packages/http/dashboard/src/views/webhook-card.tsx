import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { messageOf, post } from "../api/client.ts";
import type { Webhook, WebhookTest } from "../api/types.ts";
import { Facts } from "../parts/facts.tsx";
import { ReasonText } from "../parts/notice.tsx";
import { Time } from "../parts/time.tsx";
import { toast } from "../state/notify.ts";
import { mayChange } from "../state/session.ts";
import { count } from "../text/format.ts";
import { Inert } from "../text/inert.tsx";

/** More are not counted by the service. */
const COUNTED = 1000;

/** A webhook, how it goes with it, and a way to try it. */
export function WebhookCard({ webhook, onTested }: { webhook: Webhook; onTested: () => void }): JSX.Element {
  const { name, url, events, due, dead, held_until, last_delivered_at, last_failed_at, last_failure } = webhook;
  const heading = `webhook-${name}`;
  return (
    <section class="panel" aria-labelledby={heading}>
      <div class="card-head">
        <h2 id={heading}>{name}</h2>
        {mayChange.value && <TestButton name={name} onTested={onTested} />}
      </div>
      <p class="quiet">
        <Inert class="mono" text={url} />
      </p>
      <dl class="figures">
        <div>
          <dt>Waiting</dt>
          <dd class="number">{atMost(due)}</dd>
        </div>
        <div>
          <dt>Given up</dt>
          <dd class={`number ${dead > 0 ? "text-bad" : ""}`}>{atMost(dead)}</dd>
        </div>
      </dl>
      <Facts
        of={[
          ["Told of", events.join(", ")],
          ["Delivered", last_delivered_at && <Time at={last_delivered_at} ago />],
          ["Failed", last_failed_at && <Time at={last_failed_at} ago />],
          ["Held until", held_until && <Time at={held_until} />],
        ]}
      />
      {last_failure && (
        <p class="remark">
          <ReasonText reason={last_failure} />
        </p>
      )}
    </section>
  );
}

function atMost(number: number): string {
  return number >= COUNTED ? `${count(COUNTED)} or more` : count(number);
}

function TestButton({ name, onTested }: { name: string; onTested: () => void }): JSX.Element {
  const busy = useSignal(false);
  const test = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      const { delivered, message } = await post<WebhookTest>(`/webhooks/${encodeURIComponent(name)}/test`);
      toast(delivered ? "good" : "bad", `${name}: ${message}`);
      onTested();
    } catch (error) {
      toast("bad", messageOf(error));
    }
    busy.value = false;
  };
  return (
    <button type="button" class="button" aria-disabled={busy.value} onClick={() => void test()}>
      Send a test
    </button>
  );
}
