import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { type ApiError, read, readReadiness } from "../api/client.ts";
import type { Readiness, Reason } from "../api/types.ts";
import { Facts } from "../parts/facts.tsx";
import { Icon } from "../parts/icon.tsx";
import { ReasonText, Trouble, Waiting } from "../parts/notice.tsx";
import { Time } from "../parts/time.tsx";
import { useTitle } from "../parts/title.ts";
import { session } from "../state/session.ts";
import { count, duration } from "../text/format.ts";
import { Inert } from "../text/inert.tsx";
import { LimitsPanel } from "./limits.tsx";
import type { Roots } from "./where.tsx";

const READ_MS = 5000;

/** How the service is, what it may do, and who is asking. */
export function ServiceView(): JSX.Element {
  useTitle("Service");
  const found = useSignal<Readiness | ApiError | null>(null);
  useEffect(() => {
    const load = () => {
      readReadiness().then(
        (readiness) => (found.value = readiness),
        (error: ApiError) => (found.value = error),
      );
    };
    const timer = setInterval(() => document.hidden || load(), READ_MS);
    load();
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <div class="page-head">
        <h1>Service</h1>
      </div>
      {found.value === null && <Waiting what="Asking the service" />}
      {found.value instanceof Error && <Trouble error={found.value} />}
      {found.value && !(found.value instanceof Error) && <Health readiness={found.value} />}
      <div class="panels">
        <LimitsPanel />
        <Names />
        <Who />
      </div>
    </>
  );
}

function Health({ readiness: { status, details } }: { readiness: Readiness }): JSX.Element {
  return (
    <section class="panel health" aria-labelledby="health">
      <div class="health-head">
        <h2 id="health">{status === "ok" ? "Ready" : "Not ready"}</h2>
        <Light ok={status === "ok"} text={status === "ok" ? "It can work" : "It cannot work now"} />
      </div>
      {details && (
        <Facts
          of={[
            ["State", details.stopping ? "Stopping" : details.started ? "Started" : "Not started"],
            ["Ledger", <Light ok={details.store.ok} reason={details.store.reason} />],
            ["Lease", <Light ok={details.lease.valid} text={leaseText(details.lease)} />],
            ["Monitor", <Light ok={details.monitor.alive} text={details.monitor.alive ? "Alive" : "Stopped"} />],
            ["Watched", count(details.monitor.watched)],
            ["Scanning", count(details.monitor.scanning)],
            ["Last scan", details.monitor.last_scan_at && <Time at={details.monitor.last_scan_at} ago />],
            ["In flight", `${count(details.in_flight)} of at most ${count(details.concurrency.current)} files`],
            ["Host", <Inert text={details.host} />],
            ["Name", <Inert class="mono" text={details.owner} />],
            ...details.buckets.map(
              ({ bucket, ok, reason }) =>
                [`Bucket ${bucket}`, <Light ok={ok} reason={reason} text={ok ? "Answers" : undefined} />] as const,
            ),
          ]}
        />
      )}
    </section>
  );
}

function leaseText({ valid, age_seconds: age }: NonNullable<Readiness["details"]>["lease"]): string {
  const text = valid ? "Valid" : "Not valid";
  return age === null ? text : `${text}, renewed ${duration(age)} ago`;
}

interface LightProps {
  readonly ok: boolean;
  readonly text?: string | undefined;
  readonly reason?: Reason | null;
}

function Light({ ok, text, reason }: LightProps): JSX.Element {
  return (
    <span class={`light tone-${ok ? "good" : "bad"}`}>
      <Icon name={ok ? "good" : "bad"} />
      <span>
        {text ?? (ok ? "Answers" : "Does not answer")} {reason && <ReasonText reason={reason} />}
      </span>
    </span>
  );
}

/** What new uploads may name. */
function Names(): JSX.Element {
  const roots = useSignal<Roots | null>(null);
  useEffect(() => {
    read<Roots>("/roots").then(
      (found) => (roots.value = found),
      () => {},
    );
  }, []);
  const list = (names: readonly string[]) =>
    names.map((name) => (
      <div key={name}>
        <Inert class="mono" text={name} />
      </div>
    ));
  return (
    <section class="panel" aria-labelledby="names">
      <h2 id="names">New uploads</h2>
      {roots.value && (
        <Facts
          of={[
            [
              "Folders in",
              roots.value.roots.length > 0 ? list(roots.value.roots) : "None: they cannot be created here",
            ],
            ["Buckets", roots.value.buckets ? list(roots.value.buckets) : "Any"],
          ]}
        />
      )}
    </section>
  );
}

function Who(): JSX.Element | null {
  const who = session.value;
  if (!who) return null;
  return (
    <section class="panel" aria-labelledby="who">
      <h2 id="who">You</h2>
      <Facts
        of={[
          ["Name", who.auth ? <Inert text={who.name ?? ""} /> : "Nobody need say who they are"],
          ["May", who.scopes.includes("admin") ? "See and change everything" : "See everything"],
          ["Until", who.expires_at && <Time at={who.expires_at} />],
        ]}
      />
      <p class="panel-foot quiet">
        <a href="docs">API reference</a> <a href="openapi.json">OpenAPI</a>
      </p>
    </section>
  );
}
