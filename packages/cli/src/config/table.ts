import type { Setting } from "./setting.ts";
import { SETTING_NAMES, settingOf } from "./settings.ts";
import { showValue } from "./values.ts";

const TITLES: Readonly<Record<string, string>> = {
  "": "Ledger and log",
  transfer: "Transfers",
  spool: "Spool of pipelines",
  monitor: "Watching folders",
  s3: "Object store",
  http: "HTTP service",
};

const KINDS = {
  text: "text",
  file: "path",
  ledger: "URL",
  list: "list",
  folders: "list of folders",
  count: "number",
  duration: "duration",
  size: "size",
  switch: "true, false",
  choice: "",
} as const;

/** Every setting as Markdown, for docs/cli-configuration.md. */
export function settingsTable(): string {
  const sections = new Map<string, Setting[]>();
  for (const setting of SETTING_NAMES.map(settingOf)) {
    const section = setting.path.includes(".") ? (setting.path.split(".")[0] ?? "") : "";
    sections.set(section, [...(sections.get(section) ?? []), setting]);
  }
  const parts = [...sections].map(([section, settings]) => {
    const head = `### ${TITLES[section] ?? section}\n\n| bucketline.yaml | environment | flag | type | default | |\n|---|---|---|---|---|---|\n`;
    return head + settings.map(rowOf).join("");
  });
  return parts.join("\n");
}

function rowOf(setting: Setting): string {
  const variables = setting.env.map((name) => `\`${name}\``).join(", ");
  const flag = setting.flag ? `\`--${setting.flag}\`` : "";
  const type =
    setting.kind === "choice" ? setting.choices.map((choice) => `\`${choice}\``).join(", ") : KINDS[setting.kind];
  const fallback =
    setting.fallback === undefined ? (setting.otherwise ?? "") : `\`${showValue(setting, setting.fallback)}\``;
  const secret = setting.secret === "whole" ? "; secret" : setting.secret ? "; its password is secret" : "";
  return `| \`${setting.path}\` | ${variables} | ${flag} | ${type} | ${fallback} | ${setting.summary}${secret} |\n`;
}
