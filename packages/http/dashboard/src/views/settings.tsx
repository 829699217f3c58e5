import type { ComponentChildren, JSX } from "preact";
import type { Upload } from "../api/types.ts";
import { Facts } from "../parts/facts.tsx";
import { Time } from "../parts/time.tsx";
import { bytes, percent, rate, words } from "../text/format.ts";
import { Inert } from "../text/inert.tsx";
import { durationText } from "../text/quantity.ts";

type Fact = readonly [name: string, value: ComponentChildren];

/** What an upload is. */
export function Settings({ upload }: { upload: Upload }): JSX.Element {
  const { settings } = upload;
  return (
    <section class="panel" aria-labelledby="settings">
      <h2 id="settings">Settings</h2>
      <Facts
        of={[
          ["Pattern", <Globs list={settings.pattern} />],
          ["Except", settings.exclude.length > 0 ? <Globs list={settings.exclude} /> : null],
          ["Key", <code>{settings.key_template}</code>],
          ["Mode", settings.mode === "watch" ? "Follows the folder" : "Once"],
          ["Scans", scheduleText(settings.schedule)],
          ["Pipeline", settings.pipeline && <code>{settings.pipeline}</code>],
          ["After the upload", afterText(settings)],
          ["Hours", settings.active_hours ?? "Always"],
          ["Limit", settings.bandwidth_limit === null ? "None" : rate(settings.bandwidth_limit)],
          ["Priority", settings.priority],
        ]}
      />
      <details>
        <summary>All settings</summary>
        <Facts of={[...rest(upload), ...objectFacts(settings.object)]} />
      </details>
    </section>
  );
}

function rest({ settings, created_at, updated_at, finished_at }: Upload): readonly Fact[] {
  const size = (value: number | null) => (value === null ? null : bytes(value));
  const age = (value: number | null) => (value === null ? null : durationText(value));
  const { delete_limit: limit } = settings;
  return [
    ["Created", <Time at={created_at} />],
    ["Updated", <Time at={updated_at} />],
    ["Finished", finished_at && <Time at={finished_at} />],
    ["Dot files", settings.dot ? "Matched" : "Left out"],
    ["Symbolic links", words(settings.symlinks)],
    ["Existing objects", settings.overwrite === "always" ? "Replaced" : "Left alone"],
    ["Compared by", settings.compare === "stat" ? "Size and time" : "Checksum"],
    ["Files that go", settings.on_source_delete === "delete" ? "Object deleted" : "Object kept"],
    ["Delete limit", settings.on_source_delete === "delete" ? `${limit.files} files, ${percent(limit.share)}` : null],
    ["Least size", size(settings.min_size)],
    ["Greatest size", size(settings.max_size)],
    ["Least age", age(settings.min_age)],
    ["Greatest age", age(settings.max_age)],
    ["Unstable for at most", age(settings.max_unstable_age)],
    ["Root marker", settings.root_marker && <Inert text={settings.root_marker} />],
    ["Host", settings.host && <Inert text={settings.host} />],
  ];
}

function objectFacts(object: Upload["settings"]["object"]): readonly Fact[] {
  return Object.entries(object).map(([name, value]) => {
    const text = typeof value === "string" ? value : pairs(value ?? {});
    return [words(name), <Inert text={text} />];
  });
}

function pairs(record: Readonly<Record<string, string>>): string {
  return Object.entries(record)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}

function Globs({ list }: { list: readonly string[] }): JSX.Element {
  return (
    <>
      {list.map((glob) => (
        <code key={glob} class="glob">
          <Inert text={glob} />
        </code>
      ))}
    </>
  );
}

/** What becomes of the source files. */
function afterText({ drop, after_upload: after }: Upload["settings"]): ComponentChildren {
  if (drop) {
    const kept = drop.retention === null ? "kept for good" : `kept for ${durationText(drop.retention)}`;
    return `Drop folder: sent files move to done/, ${kept}`;
  }
  if (typeof after === "string") return after === "keep" ? "Files stay" : "Files are deleted";
  return (
    <>
      Files move to <Inert class="mono" text={after.move_to} />
    </>
  );
}

function scheduleText(schedule: number | string | null): string {
  if (schedule === null) return "At the service's interval";
  if (typeof schedule === "number") return `Every ${durationText(schedule)}`;
  return schedule === "manual" ? "On request only" : `Cron ${schedule}`;
}
