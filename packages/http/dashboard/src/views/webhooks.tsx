import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError, read } from "../api/client.ts";
import type { Notice, Webhook } from "../api/types.ts";
import { Empty, Trouble, Waiting } from "../parts/notice.tsx";
import { useTitle } from "../parts/title.ts";
import { onEvents, onMissed } from "../state/live.ts";
import { Notices } from "./notices.tsx";
import { WebhookCard } from "./webhook-card.tsx";

interface Told {
  readonly webhooks: readonly Webhook[];
  readonly notices: readonly Notice[];
  readonly more: boolean;
}

const REREAD_MS = 2000;
/** Events after which there may be another notice. */
const TOLD = /^(upload:(completed|failed)|file:failed)$/;

/** Who is told of what has happened, and what could not be delivered. */
export function WebhooksView(): JSX.Element {
  useTitle("Webhooks");
  const told = useSignal<Told | null>(null);
  const trouble = useSignal<ApiError | null>(null);
  const load = () => {
    readAll().then(
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
    const stops = [onMissed(load), onEvents((events) => void (events.some(({ name }) => TOLD.test(name)) && soon()))];
    // Deliveries are told by no event.
    const poll = setInterval(() => document.hidden || load(), 5 * REREAD_MS);
    load();
    return () => {
      clearTimeout(timer);
      clearInterval(poll);
      for (const stop of stops) stop();
    };
  }, []);
  return (
    <>
      <div class="page-head">
        <h1>Webhooks</h1>
      </div>
      {trouble.value && <Trouble error={trouble.value} again={load} />}
      {!told.value && !trouble.value && <Waiting what="Reading webhooks" />}
      {told.value && <Overview told={told.value} reload={load} />}
    </>
  );
}

async function readAll(): Promise<Told> {
  const [{ webhooks }, { notices, next_cursor }] = await Promise.all([
    read<{ readonly webhooks: readonly Webhook[] }>("/webhooks"),
    read<{ readonly notices: readonly Notice[]; readonly next_cursor: string | null }>("/notices?limit=200"),
  ]);
  return { webhooks, notices, more: next_cursor !== null };
}

function Overview({ told, reload }: { told: Told; reload: () => void }): JSX.Element {
  const dead = told.notices.filter(({ state }) => state === "DEAD");
  const due = told.notices.filter(({ state }) => state === "DUE");
  if (told.webhooks.length === 0 && told.notices.length === 0) {
    return (
      <Empty icon="arrow" title="No webhooks">
        <p class="quiet">
          Name them in the service's configuration, and they are told of uploads that end and files that fail.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <div class="cards">
        {told.webhooks.map((webhook) => (
          <WebhookCard key={webhook.name} webhook={webhook} onTested={reload} />
        ))}
      </div>
      <Notices id="dead" title="Given up" none="Nothing was given up." notices={dead} reload={reload} />
      <Notices id="due" title="Waiting" none="Nothing waits." notices={due} reload={reload} />
      {told.more && <p class="quiet">There are more than are shown here.</p>}
    </>
  );
}
