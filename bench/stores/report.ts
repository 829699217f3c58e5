import type { Options } from "./options.ts";
import type { Results } from "./results.ts";
import { PHASES, type Phase } from "./workload.ts";

const MIB = 2 ** 20;
const NOTHING = "–";

export function report(results: Results, options: Options): string {
  const phases = PHASES.map((phase) => `${TITLE[phase]}\n${phaseTable(results, options, phase)}\n`);
  return [...phases, `memory and disk\n${spaceTable(results, options)}\n`, ...bareLines(results, options), FOOTER].join(
    "\n",
  );
}

const TITLE: Readonly<Record<Phase, string>> = {
  insert: "insert: new rows in path order, 256 in a commit",
  "claim+complete": "claim+complete: claims of 32, then UPLOADED with evidence, 256 in a commit",
  rescan: "rescan: unchanged rows in path order, pages of 1,000",
};

const FOOTER =
  "On a machine that is shared, rows/s are noise: CPU per row and the ratios (of CPU per row, server included) are what counts.\n";

function phaseTable(results: Results, { subjects, sizes }: Options, phase: Phase): string {
  const smallest = sizes[0] ?? 0;
  const header = ["store", "rows", "rows/s", "CPU µs/row", "server µs/row", `× at ${count(smallest)}`, "× memory"];
  const lines = subjects.flatMap((subject) =>
    sizes.flatMap((rows) => {
      const cost = results.of(subject, rows)?.phases[phase];
      if (!cost) return [];
      const own = results.cpu(subject, rows, phase);
      const flatness = rows === smallest ? NOTHING : ratio(own, results.cpu(subject, smallest, phase));
      const toMemory = subject === "memory" ? NOTHING : ratio(own, results.cpu("memory", rows, phase));
      const server = cost.serverCpuUs === null ? NOTHING : decimal(cost.serverCpuUs);
      return [[subject, count(rows), count(cost.rowsPerSecond), decimal(cost.cpuUs), server, flatness, toMemory]];
    }),
  );
  return table([header, ...lines]);
}

function spaceTable(results: Results, { subjects, sizes }: Options): string {
  const header = ["store", "rows", "RSS MiB", "peak + MiB", "heap + MiB", "native + MiB", "disk MiB", "disk bytes/row"];
  const lines = subjects.flatMap((subject) =>
    sizes.flatMap((rows) => {
      const measured = results.of(subject, rows);
      if (!measured) return [];
      const { memory, diskBytes } = measured;
      const bytes = [memory.rss, memory.peakGrowth, memory.heapGrowth, memory.nativeGrowth, diskBytes];
      return [[subject, count(rows), ...bytes.map((each) => decimal(each / MIB)), count(diskBytes / rows)]];
    }),
  );
  return table([header, ...lines]);
}

/** What the store itself adds to what SQLite needs in any case. */
function bareLines(results: Results, { sizes }: Options): string[] {
  const lines = sizes.flatMap((rows) => {
    if (!results.of("sqlite", rows) || !results.of("bare-sqlite", rows)) return [];
    const ratios = PHASES.map((phase) => {
      return `${phase} ${ratio(results.cpu("sqlite", rows, phase), results.cpu("bare-sqlite", rows, phase))}`;
    });
    return [`sqlite ÷ bare-sqlite at ${count(rows)} rows: ${ratios.join(", ")}`];
  });
  return lines.length === 0 ? [] : [...lines, ""];
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  return lines.map((line) => `  ${line.map(pad).join("  ")}`).join("\n");
}

function ratio(value: number | undefined, base: number | undefined): string {
  return value === undefined || base === undefined || base === 0 ? NOTHING : (value / base).toFixed(2);
}

const decimal = (value: number) => value.toFixed(1);
const count = (value: number) => Math.round(value).toLocaleString("en-US");
