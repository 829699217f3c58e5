import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  FILE_STATES,
  FILE_TRANSITIONS,
  type FileSystem,
  type ObjectStore,
  type StateStore,
  UPLOAD_STATES,
  UPLOAD_TRANSITIONS,
} from "../src/index.ts";
import { resolveOptions } from "../src/service-options.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8");

type Transitions = Readonly<Record<string, { readonly from: readonly string[]; readonly to: string | null }>>;

/** The one right picture of a transition table, with the actions that share an arrow in the table's order. */
function stateDiagram(states: readonly string[], transitions: Transitions, entries: readonly string[]): string {
  const lines = [...entries.map((entry) => `    [*] --> ${entry}`)];
  for (const from of states) {
    for (const to of states) {
      const actions = Object.entries(transitions)
        .filter(([, transition]) => transition.from.includes(from) && (transition.to ?? from) === to)
        .map(([action]) => action);
      if (actions.length > 0) lines.push(`    ${from} --> ${to}: ${actions.join(", ")}`);
    }
  }
  return ["```mermaid", "stateDiagram-v2", ...lines, "```"].join("\n");
}

/** The part of a page below a heading, to the next heading of the same or a higher rank. */
function section(page: string, heading: string): string {
  const rank = /^#+/.exec(heading)?.[0].length ?? 1;
  const [, rest] = `\n${page}`.split(`\n${heading}\n`);
  expect(rest, `there is a heading "${heading}"`).toBeDefined();
  return (rest as string).split(new RegExp(`\n#{1,${rank}} `))[0] as string;
}

/** First cells of a page's table rows that are code, with the whole row. */
function rows(page: string): Map<string, string> {
  const found = [...page.matchAll(/^\| `([^`]+)` \|.*$/gm)].map(([row, name]) => [name as string, row] as const);
  const names = found.map(([name]) => name);
  expect(names, "no name has two rows").toEqual([...new Set(names)]);
  return new Map(found);
}

/** Names of the fields that an interface, or an object type, declares in a source file. */
function fieldsOf(path: string, declaration: string): string[] {
  const [, rest] = read(path).split(`${declaration} {\n`);
  expect(rest, `${path} declares ${declaration}`).toBeDefined();
  const body = (rest as string).split(/^}/m)[0] as string;
  const fields = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name as string);
  expect(fields.length, `fields of ${declaration}`).toBeGreaterThan(0);
  return fields;
}

describe("docs/architecture.md", () => {
  const page = read("docs/architecture.md");

  test("draws exactly the transitions of a file", () => {
    expect(page).toContain(stateDiagram(FILE_STATES, FILE_TRANSITIONS, ["PENDING: found", "SKIPPED: found, left out"]));
  });

  test("draws exactly the transitions of an upload", () => {
    expect(page).toContain(stateDiagram(UPLOAD_STATES, UPLOAD_TRANSITIONS, ["PENDING: register"]));
  });

  test("explains every action once, and no other", () => {
    expect([...rows(section(page, "### Actions on a file")).keys()]).toEqual(Object.keys(FILE_TRANSITIONS));
    expect([...rows(section(page, "### Actions on an upload")).keys()]).toEqual(Object.keys(UPLOAD_TRANSITIONS));
  });
});

describe("docs/configuration.md", () => {
  const page = read("docs/configuration.md");

  test.each([
    ["## Service", "packages/core/src/service-options.ts", "export interface ServiceOptions"],
    ["### Retry", "packages/core/src/retry.ts", "export interface RetryPolicy"],
    ["## Uploads", "packages/core/src/options.ts", "export interface RegisterOptions"],
    ["### Object settings", "packages/core/src/ports/object-store.ts", "export interface ObjectSettings"],
    ["### Own options", "packages/core/src/s3/s3-object-store.ts", "interface OwnOptions"],
    ["### Connection", "packages/core/src/s3/client.ts", "export interface S3ConnectionOptions"],
    ["## SqliteStateStore", "packages/store-sqlite/src/store.ts", "export interface SqliteStateStoreOptions"],
  ])("%s has every option, and no other", (heading, path, declaration) => {
    const own = section(page, heading).split(/^### /m)[0] as string;
    expect([...rows(own).keys()].sort()).toEqual(fieldsOf(path, declaration).sort());
  });

  test("gives the defaults that are in force", () => {
    const state = {} as StateStore;
    const defaults = resolveOptions({ state, objects: {} as ObjectStore, fileSystem: {} as FileSystem });
    const documented = new Map([...rows(section(page, "## Service")), ...rows(section(page, "### Retry"))]);
    // No option of its own.
    const { mostPartConcurrency, ...options } = defaults;
    expect(documented.get("partConcurrency")).toContain(`up to ${mostPartConcurrency}`);
    const numbers = Object.entries({ ...options, ...defaults.retry }).filter(
      (entry): entry is [string, number] => typeof entry[1] === "number",
    );
    expect(numbers.length).toBeGreaterThan(10);
    for (const [name, value] of numbers) expect(documented.get(name)).toContain(`| ${value.toLocaleString("en-US")} `);
  });
});

describe("docs/events.md", () => {
  const page = read("docs/events.md");
  const body = read("packages/core/src/events.ts").split("export type Events = {\n")[1]?.split(/^};/m)[0] ?? "";
  const events = new Map(
    [...body.matchAll(/^ {2}"?([\w:]+)"?: \(\s*event: (.*?),?\s*\) => void;$/gm)].map(([, name, payload]) => [
      name,
      payload,
    ]),
  );
  const levels = new Map(
    [...read("packages/core/src/emitter.ts").matchAll(/^ {2}"?([\w:]+)"?: "(debug|info|warn|error)",$/gm)].map(
      ([, name, level]) => [name, level],
    ),
  );

  test("has every event, and no other", () => {
    expect(events.size).toBeGreaterThan(20);
    expect([...levels.keys()].sort()).toEqual([...events.keys()].sort());
    expect([...rows(section(page, "## Events")).keys()]).toEqual([...events.keys()]);
  });

  test("gives each event's log level and every field of its payload", () => {
    const documented = rows(section(page, "## Events"));
    for (const [name = "", payload = ""] of events) {
      const row = documented.get(name) ?? "";
      expect(row).toContain(`| ${levels.get(name)} |`);
      const shared = payload.match(/^(UploadEvent|FileEvent|FileReasonEvent|Progress|VerificationReport)/)?.[1];
      const linked = shared === "VerificationReport";
      if (linked) expect(row).toContain(`[${shared}](#${shared.toLowerCase()})`);
      else if (shared) expect(row).toContain(shared === "FileReasonEvent" ? "`FileEvent`, `reason`" : `\`${shared}\``);
      for (const [, field] of payload.matchAll(/readonly (\w+)/g)) expect(row).toContain(`\`${field}\``);
    }
  });

  test.each([
    ["### UploadEvent", "packages/core/src/events.ts", "export interface UploadEvent"],
    ["### FileEvent", "packages/core/src/events.ts", "export interface FileEvent"],
    ["### Progress", "packages/core/src/progress.ts", "export interface Progress"],
    ["### ScanSummary", "packages/core/src/upload.ts", "export interface ScanSummary"],
    ["### VerificationReport", "packages/core/src/verification.ts", "export interface VerificationReport"],
    ["### Reason", "packages/core/src/errors.ts", "export interface Reason"],
  ])("%s has every field, and no other", (heading, path, declaration) => {
    expect([...rows(section(page, heading)).keys()]).toEqual(fieldsOf(path, declaration));
  });
});
