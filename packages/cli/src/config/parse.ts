import { Check } from "typebox/value";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { ConfigError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { printable } from "../output/printable.ts";
import type { ConfigFile, FileValue } from "./file.ts";
import { readPipelines, type Source } from "./parse-pipelines.ts";
import type { PipelineSettings } from "./pipelines.ts";
import { leafSchema } from "./schema.ts";
import type { Setting } from "./setting.ts";
import { SETTING_NAMES, type SettingName, settingOf } from "./settings.ts";
import { readAmount, readWords, type Value, ValueProblem, wantedOf } from "./values.ts";

/** @throws ConfigError */
export function parseConfigFile(path: string, text: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const reader = new Reader(path, lines, document);
  for (const { message, pos } of document.errors) reader.problem(pos[0], `${message}.`.replace(/\.+$/, "."));
  if (reader.problems.length === 0) reader.readRoot(document.contents);
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return { path, values: reader.values, pipelines: reader.pipelines };
}

const BY_PATH = new Map(SETTING_NAMES.map((name) => [settingOf(name).path, name]));
const SECTIONS = new Set([...BY_PATH.keys()].filter((path) => path.includes(".")).map((path) => path.split(".")[0]));

/** Goes through the file by its nodes, so that every problem has its place. */
class Reader implements Source {
  pipelines: PipelineSettings = {};
  readonly values = new Map<SettingName, FileValue>();
  readonly problems: string[] = [];
  readonly path: string;
  readonly #lines: LineCounter;
  readonly #document: Document;

  constructor(path: string, lines: LineCounter, document: Document) {
    this.path = path;
    this.#document = document;
    this.#lines = lines;
  }

  problem(offset: number, message: string): void {
    this.problems.push(`${this.placeOf(offset)}: ${message}`);
  }

  placeOf(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${printable(this.path)}:${line}:${col}`;
  }

  lineOf(offset: number): number {
    return this.#lines.linePos(offset).line;
  }

  contentOf(node: Node): unknown {
    return node.toJS(this.#document);
  }

  readRoot(contents: Node | null): void {
    if (contents === null || (isScalar(contents) && contents.value === null)) return;
    if (isMap(contents)) this.#readMap(contents, "");
    else this.problem(startOf(contents), "The file must hold settings, each as `name: value`.");
  }

  #readMap(map: YAMLMap, prefix: string): void {
    for (const { key, value } of map.items) {
      if (!isScalar(key)) {
        this.problem(isNode(key) ? startOf(key) : startOf(map), "The name of a setting must be a text.");
        continue;
      }
      const path = `${prefix}${String(key.value)}`;
      const name = BY_PATH.get(path);
      const node = this.resolved(value);
      if (name !== undefined) this.#readValue(name, node, startOf(key));
      else if (prefix === "" && SECTIONS.has(path)) this.#readSection(path, node, startOf(key));
      else if (path === "pipelines") this.pipelines = readPipelines(this, node);
      else this.problem(startOf(key), unknownKey(path, prefix));
    }
  }

  resolved(value: unknown): Node | null {
    if (isAlias(value)) return value.resolve(this.#document) ?? null;
    return isNode(value) ? value : null;
  }

  #readSection(section: string, node: Node | null, at: number): void {
    if (isMap(node)) this.#readMap(node, `${section}.`);
    else if (node !== null && !(isScalar(node) && node.value === null))
      this.problem(
        startOf(node),
        `${section} must hold settings below it, each as \`name: value\`, not ${kindOf(node)}.`,
      );
    else if (node === null) this.problem(at, `${section} must hold settings below it.`);
  }

  #readValue(name: SettingName, node: Node | null, at: number): void {
    // A name without a value says nothing, as an empty variable does.
    if (node === null || (isScalar(node) && node.value === null)) return;
    const setting = settingOf(name);
    const offset = startOf(node);
    try {
      const found = this.contentOf(node);
      if (!Check(leafSchema(setting), found)) throw new ValueProblem(wantedOf(setting));
      this.values.set(name, { value: heldValue(setting, found as Value), line: this.lineOf(at) });
    } catch (error) {
      // The parser itself refuses aliases that would multiply without bounds.
      if (!(error instanceof ValueProblem || error instanceof ReferenceError)) throw error;
      const wanted = error instanceof ValueProblem ? error.message : wantedOf(setting);
      this.problem(offset, `${setting.path} must be ${wanted}, not ${shownValue(setting, node)}.`);
    }
  }
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** @throws ValueProblem */
function heldValue(setting: Setting, found: Value): Value {
  if (typeof found === "string") return readWords(setting, found);
  const isAmount = setting.kind === "duration" || setting.kind === "size" || setting.kind === "count";
  return typeof found === "number" && isAmount ? readAmount(setting, found) : found;
}

function unknownKey(path: string, prefix: string): string {
  const known = [...BY_PATH.keys(), ...[...SECTIONS].map(String), "pipelines"];
  const here = known.filter((one) => (prefix === "" ? !one.includes(".") : one.startsWith(prefix)));
  const elsewhere = known.find((one) => one.endsWith(`.${path}`) || one === path.slice(prefix.length));
  const suggestion = nearest(path, here) ?? elsewhere ?? nearest(path, known);
  return `There is no setting ${printable(JSON.stringify(path))}.${suggestion ? ` Did you mean ${suggestion}?` : ""}`;
}

function kindOf(node: Node): string {
  if (isMap(node)) return "settings below it";
  return isScalar(node) ? (typeof node.value === "string" ? "a text" : `a ${typeof node.value}`) : "a list";
}

/** Secrets are not repeated in messages, which end up in logs. */
function shownValue(setting: Setting, node: Node): string {
  if (setting.secret || !isScalar(node)) return kindOf(node);
  return printable(JSON.stringify(node.value) ?? String(node.value)).slice(0, 100);
}
