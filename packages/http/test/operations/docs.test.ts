import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Metrics } from "../../src/operations/metrics.ts";
import { Bed } from "../support/bed.ts";
import { readExpression } from "../support/promql.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8");

const page = read("docs/operations.md");
/** Of Prometheus itself. */
const FOREIGN_METRICS = new Set(["up"]);
const FOREIGN_LABELS = ["instance", "job", "le"];

interface Described {
  readonly type: string;
  readonly labels: readonly string[];
}

let registered: ReadonlyMap<string, Described>;
beforeAll(async () => {
  const bed = await Bed.open({ started: false });
  const { service } = bed;
  const metrics = new Metrics({ service, options: { service } }, "");
  const described = metrics.registry.getMetricsAsArray().map((metric) => {
    const { name, type, labelNames } = metric as typeof metric & { readonly labelNames: readonly string[] };
    return [name, { type: String(type), labels: labelNames }] as const;
  });
  registered = new Map(described);
  metrics.close();
  await bed.close();
});

/** The part of the page below a heading, to the next of its rank. */
function section(heading: string): string {
  const [, rest = ""] = page.split(`\n## ${heading}\n`);
  expect(rest, heading).not.toBe("");
  return rest.split("\n## ")[0] ?? "";
}

/** Rows of tables, as texts without code marks. */
function rows(text: string): string[][] {
  const cells = (row: string) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.replaceAll("`", "").trim());
  return [...text.matchAll(/^\| .*\|$/gm)].map(([row]) => cells(row));
}

describe("docs/operations.md", () => {
  test("lists every metric with its type and labels, and no other", () => {
    const listed = rows(section("Metrics")).filter(([name]) => name !== "metric");
    const said = listed.map(([name = "", type, labels = ""]) => [
      name,
      {
        type,
        labels: labels
          .split(",")
          .map((label) => label.trim())
          .filter(Boolean),
      },
    ]);
    expect(said).toHaveLength(registered.size);
    expect(Object.fromEntries(said)).toEqual(Object.fromEntries(registered));
  });

  test("says what to do about every alert, in their order", () => {
    const names = rules().map(({ alert }) => alert);
    expect(
      rows(section("Alerts"))
        .map(([name]) => name)
        .slice(1),
    ).toEqual(names);
  });

  test("asks for the permissions of exactly the requests that the S3 adapter makes", () => {
    const sources = readdirSync(`${root}/packages/core/src/s3`).map((name) => read(`packages/core/src/s3/${name}`));
    const made = sources.flatMap((text) => [...text.matchAll(/new (\w+)Command\(/g)].map(([, name]) => name));
    expect(made.length).toBeGreaterThan(10);
    const listed = rows(section("Permissions in S3")).slice(1);
    expect(listed.map(([request]) => request).sort()).toEqual([...new Set(made)].sort());
    const [, policy = "{}"] = /```json\n([\s\S]*?)```/.exec(section("Permissions in S3")) ?? [];
    const { Statement: statements } = JSON.parse(policy) as { Statement: { Action: string[]; Sid: string }[] };
    const allowed = statements.flatMap(({ Action }) => Action);
    expect(allowed.sort()).toEqual([...new Set(listed.map(([, permission]) => permission))].sort());
    expect(statements.find(({ Action }) => Action.includes("s3:DeleteObject"))?.Action).toHaveLength(1);
  });
});

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

function rules(): Rule[] {
  const { groups } = parse(read("docs/alerts.yml")) as { groups: { rules: Rule[] }[] };
  return groups.flatMap((group) => group.rules);
}

/** What of an expression the service does not have. */
function unknown(expression: string): string[] {
  const { metrics, labels } = readExpression(expression);
  const families = metrics
    .filter((name) => !FOREIGN_METRICS.has(name))
    .map((name) => {
      const family = name.replace(/_(bucket|sum|count)$/, "");
      return registered.get(family)?.type === "histogram" ? family : name;
    });
  const known = new Set([...FOREIGN_LABELS, ...families.flatMap((name) => registered.get(name)?.labels ?? [])]);
  expect(metrics.length, expression).toBeGreaterThan(0);
  return [...families.filter((name) => !registered.has(name)), ...labels.filter((label) => !known.has(label))];
}

test("the reader of expressions finds what is wrong", () => {
  expect(readExpression('sum by (a, b) (rate(x_total{c="}(",d=~"$d"}[5m])) > 0.5 and on (e) max(y)')).toEqual({
    metrics: ["x_total", "y"],
    labels: ["c", "d", "a", "b", "e"],
  });
  for (const broken of ["sum(x", "x)", 'x{a="1"', 'x{a="1}', "rate(x[5m)"])
    expect(() => readExpression(broken)).toThrow();
  expect(unknown("bucketline_ready == 0")).toEqual([]);
  expect(unknown('bucketline_redy{cod="x"}')).toEqual(["bucketline_redy", "cod"]);
});

describe("docs/alerts.yml", () => {
  test("names only metrics and labels that there are, each rule once, with what Prometheus needs", () => {
    const all = rules();
    expect(new Set(all.map(({ alert }) => alert)).size).toBe(all.length);
    for (const { alert, expr, labels, annotations } of all) {
      expect([alert, unknown(expr)]).toEqual([alert, []]);
      expect(["critical", "warning"]).toContain(labels.severity);
      expect([alert, annotations]).toEqual([alert, { summary: expect.any(String), description: expect.any(String) }]);
      for (const text of Object.values(annotations)) {
        const used = [...text.matchAll(/\{\{ \$(\w+)(?:\.(\w+))? \}\}/g)].map(([, kind, label]) => label ?? kind);
        expect(text.split("{{").length - 1).toBe(used.length);
      }
    }
  });
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

describe("docs/grafana-dashboard.json", () => {
  const dashboard = JSON.parse(read("docs/grafana-dashboard.json")) as {
    panels: Panel[];
    templating: { list: { name: string; type: string; query: unknown }[] };
  };

  test("names only metrics and labels that there are, and takes its data source from the variable", () => {
    expect(dashboard.templating.list[0]).toMatchObject({ name: "datasource", type: "datasource", query: "prometheus" });
    const targets = dashboard.panels.flatMap(({ targets = [] }) => targets);
    expect(targets.length).toBeGreaterThan(30);
    for (const { expr, datasource } of targets) {
      expect([expr, unknown(expr)]).toEqual([expr, []]);
      expect(datasource.uid).toBe(`\${${dashboard.templating.list[0]?.name}}`);
    }
  });

  test("has panels that lie beside each other, each with an id of its own", () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const a of panels)
      for (const b of panels) {
        if (a.id >= b.id) continue;
        const [p, q] = [a.gridPos, b.gridPos];
        const apart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
        expect([a.title, b.title, apart]).toEqual([a.title, b.title, true]);
      }
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });
});
