import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Dialog } from "./parts/dialog.tsx";
import { Icon } from "./parts/icon.tsx";
import { Time } from "./parts/time.tsx";
import { go, href, place } from "./router.ts";
import { connection, lastHeard } from "./state/live.ts";
import { announcement, dismiss, toasts } from "./state/notify.ts";
import { logOut, mayChange, session } from "./state/session.ts";
import { nextTheme, theme } from "./state/theme.ts";
import { Inert } from "./text/inert.tsx";
import { ActivityView } from "./views/activity.tsx";
import { CreateView } from "./views/create.tsx";
import { ServiceView } from "./views/service.tsx";
import { UploadPage } from "./views/upload.tsx";
import { UploadsView } from "./views/uploads.tsx";
import { WebhooksView } from "./views/webhooks.tsx";

const PAGES = [
  ["uploads", "Uploads", "u"],
  ["activity", "Activity", "a"],
  ["webhooks", "Webhooks", "w"],
  ["service", "Service", "s"],
] as const;

const SHORTCUTS: readonly (readonly [key: string, what: string])[] = [
  ["u", "Uploads"],
  ["a", "Activity"],
  ["w", "Webhooks"],
  ["s", "Service"],
  ["n", "New upload"],
  ["/", "Search"],
  ["t", "Theme: system, light, dark"],
  ["↑ ↓", "Previous, next row of a table"],
  ["Page ↑ ↓", "A screen up, down"],
  ["Home, End", "First, last row"],
  ["Enter", "Open the row"],
  ["Esc", "Close a dialog"],
  ["?", "This list"],
];

export function App(): JSX.Element {
  const help = useSignal(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => shortcut(event, () => (help.value = true));
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to content
      </button>
      <Header onHelp={() => (help.value = true)} />
      <Offline />
      <main id="main" tabIndex={-1}>
        <View />
      </main>
      <Toasts />
      <p class="spoken" role="status" aria-live="polite">
        {announcement}
      </p>
      {help.value && (
        <Dialog title="Keyboard" onClose={() => (help.value = false)}>
          <dl class="shortcuts">
            {SHORTCUTS.map(([key, what]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
    </>
  );
}

function View(): JSX.Element {
  const [page = "uploads", id] = place.value.path;
  if (page === "uploads" && id !== undefined) return <UploadPage key={id} id={id} />;
  if (page === "new" && mayChange.value) return <CreateView />;
  if (page === "activity") return <ActivityView />;
  if (page === "webhooks") return <WebhooksView />;
  if (page === "service") return <ServiceView />;
  return <UploadsView />;
}

function Header({ onHelp }: { onHelp: () => void }): JSX.Element {
  const [page = "uploads"] = place.value.path;
  const who = session.value;
  return (
    <header class="top">
      <a class="brand" href={href([])}>
        <span class="brand-mark" aria-hidden="true">
          <Icon name="active" size={14} />
        </span>
        Bucketline
      </a>
      <nav aria-label="Pages">
        {PAGES.map(([name, title]) => (
          <a key={name} href={href([name])} aria-current={page === name ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <div class="top-end">
        <ConnectionState />
        <button
          type="button"
          class="button button-plain"
          aria-label={`Theme: ${theme.value}`}
          title={`Theme: ${theme.value}`}
          onClick={nextTheme}
        >
          <Icon name={theme.value} />
        </button>
        <button type="button" class="button button-plain help" aria-label="Keyboard shortcuts" onClick={onHelp}>
          <Icon name="keys" />
        </button>
        {who?.auth && (
          <span class="who">
            <span class="who-name">
              <Inert text={who.name ?? ""} />
              {!mayChange.value && <span class="tag">read only</span>}
            </span>
            {who.session && (
              <button type="button" class="button" onClick={() => void logOut()}>
                Log out
              </button>
            )}
          </span>
        )}
      </div>
    </header>
  );
}

function ConnectionState(): JSX.Element {
  const text = { connecting: "Connecting", live: "Live", offline: "Offline", refused: "Not live" }[connection.value];
  return (
    <span class={`connection connection-${connection.value}`} role="status">
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  );
}

function Offline(): JSX.Element | null {
  if (connection.value !== "offline" && connection.value !== "refused") return null;
  const text = {
    offline: "The service does not answer. Trying again.",
    refused: "The service has no live stream for this page now. It is read again every few seconds.",
  }[connection.value];
  return (
    <p class="offline">
      <Icon name="bad" /> {text}
      {lastHeard.value !== null && (
        <>
          {" "}
          What you see is as of <Time at={new Date(lastHeard.value).toISOString()} />.
        </>
      )}
    </p>
  );
}

function Toasts(): JSX.Element {
  return (
    <section class="toasts" aria-label="Messages">
      {toasts.value.map(({ id, tone, text }) => (
        <div key={id} class={`toast toast-${tone}`}>
          <Icon name={tone === "good" ? "good" : "bad"} />
          <Inert text={text} />
          <button type="button" class="button button-plain" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="ended" />
          </button>
        </div>
      ))}
    </section>
  );
}

function shortcut(event: KeyboardEvent, onHelp: () => void): void {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || !(target instanceof Element)) return;
  if (target.closest("input, textarea, select, dialog")) return;
  const page = PAGES.find(([, , letter]) => letter === key);
  if (page) go([page[0]]);
  else if (key === "n" && mayChange.value) go(["new"]);
  else if (key === "t") nextTheme();
  else if (key === "?") onHelp();
  else if (key === "/") document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
  else return;
  event.preventDefault();
}
