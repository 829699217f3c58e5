/** A family of samples, as an exposition format describes it. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/;

/**
 * Reads the text format 0.0.4, or OpenMetrics 1.0, and refuses what a scraper may refuse: samples that are not directly below
 * their family, families or samples that come twice, wrong names, values, escapes, buckets that fall or do not end at +Inf.
 */
export function parseExposition(text: string, openMetrics = false): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const lines = text.slice(0, -1).split("\n");
  if (openMetrics && lines.pop() !== "# EOF") throw new Error("the end is not marked");
  const families = new Map<string, { help: string; type: string; samples: Sample[] }>();
  let current = "";
  for (const line of lines) {
    if (line === "" && !openMetrics) continue;
    const [, keyword, name = "", rest = ""] = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line) ?? [];
    if (keyword === "HELP") {
      if (families.has(name)) throw new Error(`${name} comes twice`);
      families.set(name, { help: rest, type: "", samples: [] });
      current = name;
    } else if (keyword === "TYPE") {
      const family = families.get(name);
      if (!family || current !== name || family.type !== "") throw new Error(`misplaced: ${line}`);
      family.type = rest;
    } else families.get(current)?.samples.push(sampleOf(line));
  }
  return new Map([...families].map(([name, family]) => [name, checked({ name, ...family }, openMetrics)]));
}

function sampleOf(line: string): Sample {
  const [, name, labels, value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`not a sample: ${line}`);
  return { name, labels: labelsOf(labels ?? ""), value: numberOf(value) };
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ""; ) {
    const [whole, name, value] = LABEL.exec(rest) ?? [];
    if (whole === undefined || name === undefined || value === undefined) throw new Error(`not labels: ${text}`);
    if (name in labels) throw new Error(`label ${name} comes twice: ${text}`);
    labels[name] = value.replace(/\\([\\"n])/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(whole.length);
  }
  return labels;
}

function numberOf(text: string): number {
  if (text === "+Inf" || text === "-Inf") return text === "+Inf" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  if (!/^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) throw new Error(`not a number: ${text}`);
  return Number(text);
}

function checked(
  family: { name: string; help: string; type: string; samples: Sample[] },
  openMetrics: boolean,
): Family {
  const { name, type, samples, help } = family;
  if (type !== "counter" && type !== "gauge" && type !== "histogram") throw new Error(`${name} has the type ${type}`);
  const suffixes = { counter: openMetrics ? ["_total"] : [""], gauge: [""], histogram: ["_bucket", "_sum", "_count"] }[
    type
  ];
  const seen = new Set<string>();
  for (const sample of samples) {
    if (!suffixes.some((suffix) => sample.name === name + suffix)) throw new Error(`${sample.name} is not of ${name}`);
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(key)) throw new Error(`${key} comes twice`);
    seen.add(key);
    if (type !== "gauge" && !(sample.value >= 0)) throw new Error(`${key} is below zero`);
  }
  if (type === "histogram") checkBuckets(name, samples);
  return { name, help, type, samples };
}

function checkBuckets(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, each] of series) {
    const buckets = each.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => numberOf(labels.le ?? ""));
    const counts = buckets.map(({ value }) => value);
    const rises = (values: readonly number[]) =>
      values.every((value, at) => at === 0 || value >= (values[at - 1] ?? 0));
    if (!rises(bounds) || !rises(counts) || bounds.at(-1) !== Number.POSITIVE_INFINITY)
      throw new Error(`buckets of ${name} ${key}`);
    const count = each.find((sample) => sample.name === `${name}_count`)?.value;
    if (count !== counts.at(-1)) throw new Error(`count of ${name} ${key}`);
  }
}

/** The value of a sample; undefined when there is none. */
export function sampleValue(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = Object.entries(labels);
  for (const { samples } of families.values())
    for (const sample of samples)
      if (
        sample.name === name &&
        Object.keys(sample.labels).length === wanted.length &&
        wanted.every(([label, value]) => sample.labels[label] === value)
      )
        return sample.value;
  return undefined;
}
