import { dirname, resolve } from "node:path";
import { Check } from "typebox/value";
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { nearest } from "../nearest.ts";
import { printable } from "../output/printable.ts";
import type { PipelineSetting, StepName, StepSetting } from "./pipelines.ts";
import { STEPS, type StepOption } from "./step-schema.ts";
import { ValueProblem } from "./values.ts";

/** The file being read, as far as pipelines need it. */
export interface Source {
  /** Of the file. */
  readonly path: string;
  problem(offset: number, message: string): void;
  /** Follows an alias. */
  resolved(value: unknown): Node | null;
  lineOf(offset: number): number;
  placeOf(offset: number): string;
  /** @throws ReferenceError for aliases that multiply without bounds */
  contentOf(node: Node): unknown;
}

/** As the library has it; here so that the name's line can be told. */
const PIPELINE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Reads `pipelines:`; everything that is wrong becomes a problem with its place. */
export function readPipelines(source: Source, node: Node | null): Record<string, PipelineSetting> {
  if (node === null || (isScalar(node) && node.value === null)) return {};
  if (!isMap(node)) {
    source.problem(startOf(node), "pipelines must hold lists of steps by their names.");
    return {};
  }
  return Object.fromEntries(entriesOf(source, node).map((entry) => [entry.name, readPipeline(source, entry)]));
}

interface Entry {
  readonly name: string;
  readonly at: number;
  readonly node: Node | null;
}

function entriesOf(source: Source, map: YAMLMap): Entry[] {
  return map.items.flatMap(({ key, value }) => {
    if (isScalar(key)) return [{ name: String(key.value), at: startOf(key), node: source.resolved(value) }];
    source.problem(startOf(map), "A name must be a text.");
    return [];
  });
}

function readPipeline(source: Source, { name, at, node }: Entry): PipelineSetting {
  if (!PIPELINE_NAME.test(name))
    source.problem(at, `A pipeline's name has 1 to 64 letters, digits, ".", "_" and "-": ${shown(name)} is none.`);
  let list = node;
  let spool = true;
  if (isMap(node)) {
    list = null;
    for (const entry of entriesOf(source, node)) {
      if (entry.name === "steps") list = entry.node;
      else if (entry.name !== "spool") source.problem(entry.at, unknown("setting of a pipeline", entry.name, SETTINGS));
      else if (isScalar(entry.node) && typeof entry.node.value === "boolean") spool = entry.node.value;
      else source.problem(entry.at, `spool of pipeline ${printable(name)} must be true or false.`);
    }
  }
  const line = source.lineOf(at);
  if (isSeq(list) && list.items.length > 0)
    return { steps: list.items.flatMap((item) => readStep(source, source.resolved(item), startOf(list))), spool, line };
  source.problem(list === null ? at : startOf(list), `Pipeline ${printable(name)} must be a list of steps.`);
  return { steps: [], spool, line };
}

const SETTINGS = ["steps", "spool"];

function readStep(source: Source, node: Node | null, near: number): StepSetting[] {
  const wanted = "A step is its name, or `name: { option: value }`.";
  if (isScalar(node) && typeof node.value === "string")
    return stepOf(source, { name: node.value, at: startOf(node), node: null });
  const [entry, ...others] = isMap(node) ? entriesOf(source, node) : [];
  if (entry && others.length === 0) return stepOf(source, entry);
  source.problem(node ? startOf(node) : near, entry ? `${wanted} This one has several names.` : wanted);
  return [];
}

function stepOf(source: Source, { name, at, node }: Entry): StepSetting[] {
  if (!isStep(name)) {
    source.problem(at, unknown("step", name, Object.keys(STEPS)));
    return [];
  }
  const map = isMap(node) ? node : undefined;
  if (node !== null && !map && !(isScalar(node) && node.value === null)) {
    source.problem(startOf(node), `Step ${name} must have options below it, each as \`name: value\`.`);
    return [];
  }
  const options = readOptions(source, name, map, at);
  // The schema of each option is that of the library's type; what is missing or wrong is a problem by now.
  return [{ step: name, options, place: source.placeOf(at) } as StepSetting];
}

function isStep(name: string): name is StepName {
  return Object.hasOwn(STEPS, name);
}

function readOptions(source: Source, step: StepName, map: YAMLMap | undefined, at: number): object {
  const known = STEPS[step];
  const options: Record<string, unknown> = {};
  for (const entry of map ? entriesOf(source, map) : []) {
    const option = Object.hasOwn(known, entry.name) ? known[entry.name] : undefined;
    if (option) options[entry.name] = readOption(source, `${step}.${entry.name}`, option, entry);
    else source.problem(entry.at, unknown(`option of step ${step}`, entry.name, Object.keys(known)));
  }
  for (const [name, { isRequired, wanted }] of Object.entries(known))
    if (isRequired && !Object.hasOwn(options, name)) source.problem(at, `Step ${step} needs ${name}: ${wanted}.`);
  return options;
}

function readOption(source: Source, name: string, option: StepOption, { at, node }: Entry): unknown {
  const refuse = () => {
    const isShown = isScalar(node) && !option.isSecret;
    const but = isShown ? `, not ${printable(JSON.stringify(node.value) ?? "").slice(0, 100)}` : "";
    source.problem(node ? startOf(node) : at, `${name} must be ${option.wanted}${but}.`);
  };
  try {
    const found: unknown = node === null ? null : source.contentOf(node);
    if (!Check(option.schema, found)) return refuse();
    return option.read ? option.read(found, (path) => resolve(dirname(source.path), path)) : found;
  } catch (error) {
    if (!(error instanceof ValueProblem || error instanceof ReferenceError)) throw error;
    return refuse();
  }
}

function unknown(what: string, name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return `There is no ${what} ${shown(name)}. ${meant ? `Did you mean ${meant}?` : `There are: ${known.join(", ")}.`}`;
}

function shown(name: string): string {
  return printable(JSON.stringify(name)).slice(0, 100);
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
