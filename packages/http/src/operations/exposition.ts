export const TEXT = "text/plain; version=0.0.4; charset=utf-8";
export const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** What a scraper prefers. OpenMetrics only for those that name it: everything else is answered with plain text. */
export function prefersOpenMetrics(accept: string | undefined): boolean {
  const quality = (range: RegExp) => {
    const found = (accept ?? "").split(",").filter((each) => range.test(each.trim()));
    return Math.max(0, ...found.map((each) => Number(/;\s*q=([\d.]+)/.exec(each)?.[1] ?? 1)));
  };
  const open = quality(/^application\/openmetrics-text(\s*;(?!\s*version=(?!["']?[01]\.)).*)?$/i);
  return open > 0 && open >= quality(/^text\/(plain|\*)/i);
}

/**
 * The same in OpenMetrics 1.0, where a counter's family is named without the `_total` of its samples, families follow each
 * other without blank lines, and the end is marked. prom-client's own way changes the names for plain text, too.
 */
export function toOpenMetrics(text: string): string {
  const counters = new Set([...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name));
  const lines = text.split("\n").filter((line) => line !== "");
  const renamed = lines.map((line) =>
    line.replace(/^(# (?:HELP|TYPE) )(\S+)_total(?= )/, (whole, start: string, name: string) =>
      counters.has(`${name}_total`) ? `${start}${name}` : whole,
    ),
  );
  return `${renamed.join("\n")}\n# EOF\n`;
}
