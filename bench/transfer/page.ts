import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BUCKETLINE } from "./clients.ts";
import { linesOf, number } from "./goals.ts";
import { barPlot } from "./plot.ts";
import { load, median, RESULTS, type Result, type Run, type TransferResult } from "./results.ts";
import { goalsTable, markdownTable } from "./table.ts";

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));
/** Reading order; what is not measured yet is left out. */
const ORDER = [
  ...["small", "small-20ms", "mid", "large-http", "large-https", "rescan"],
  ...["rescan-10000", "rescan-1000000", "memory", "idle"],
];

const QUIET_LOAD = 0.7;

const HEAD = `# Performance

<!-- Made by \`npm run bench\` from bench/results: a test holds this page against them. Texts are in bench/transfer/page.ts. -->

What a whole transfer costs beside other clients. "Bucketline" is all of it, in a process of its own: the service with its SQLite
ledger on disk, scan, checksums, verification, and a listener to progress. The others are what people use otherwise.

\`\`\`sh
npm run bench                        # everything; installs nothing, and skips by name what is not there
npm run bench -- small mid           # some of: small, mid, large, rescan, memory, idle
npm run bench -- rescan --huge       # 1,000,000 files, too
npm run bench -- small --profiles /tmp/profiles
npm run bench:check                  # the one that runs before every merge, under a minute
\`\`\`
`;

const METHOD = `## How it is measured

- A server in a process of its own, on the same machine, reads requests and forgets bodies. It checks no signatures, answers with the
  checksums it was sent, and counts: a run that did not bring the right number of objects and bytes is none. What the server
  takes is in no client's figure.
- CPU is user and system time of the client's whole process tree, as the shell's \`time\` has it, from start to end: loading the program
  is part of it. Memory is the sum of its processes' high-water marks (\`VmHWM\`).
- Clients take turns, and each round goes through them in the other direction. A ratio is the median of the rounds' ratios, so that what
  else the machine does strikes both sides alike; times and memory are medians.
- All send 16 files at once, except where the row says otherwise; s3cmd knows one at a time. \`curl\` computes no checksum and
  signs nothing: it shows what the sending alone takes. rclone, aws-cli, s3cmd and the SDKs work with their defaults.
- With answers after 20 ms, Bucketline has 256 files under way, rclone and curl 64, the loop 16.
- Programs on Node.js, ours and the peers', run with Node's compile cache, filled by a run that does not count.
`;

const LIMITS = `## What these figures do not show

- A network. On loopback nothing is lost and nothing is far; time is then what processors, the server and the disk take, and
  the server shares the processors with its clients. Files/s and seconds are worth little here. CPU ratios carry over.
- S3 itself. The server throttles nobody, never fails, and answers at once or after a fixed time.
- The disk. Files were written just before and come from the page cache; Bucketline's commits are synced to a real disk.
- Other machines: these are two cores of one virtual machine, and below 30 % a difference may be noise.
- What the work is for. Only Bucketline can be killed in the middle and go on without sending twice; the others begin anew or compare
  with a listing.
`;

/** The page and its pictures, by path below docs/. */
export function pageFiles(results: ReadonlyMap<string, Result>): Map<string, string> {
  const known = ORDER.flatMap((name) => {
    const result = results.get(name);
    return result === undefined ? [] : [[name, result] as const];
  });
  const files = new Map<string, string>();
  const sections: string[] = [];
  for (const [name, result] of known) {
    if (result.kind !== "transfer") continue;
    const picture = `images/performance-${name}.svg`;
    files.set(picture, plotOf(result));
    sections.push(section(result, picture));
  }
  const lines = known.flatMap(([, result]) => linesOf(result));
  const reached = lines.filter((line) => line.reached).length;
  const goals = `## Goals\n\n${reached} of ${lines.length} are reached.\n\n${goalsTable(lines)}\n`;
  const parts = [HEAD, ...provisional(known), goals, METHOD, ...sections, wins(known), LIMITS, machines(known)];
  files.set("performance.md", parts.join("\n"));
  return files;
}

export function writePage(): void {
  for (const [path, text] of pageFiles(load(RESULTS))) {
    const file = join(DOCS, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Others at work change times, and CPU by some tenths. */
function provisional(known: readonly (readonly [string, Result])[]): string[] {
  const loads = known.map(([, { machine }]) => machine.loadBefore).filter((load) => load > QUIET_LOAD);
  if (loads.length === 0) return [];
  const most = Math.max(...loads);
  return [
    `**These figures are provisional**: ${loads.length} of ${known.length} rows were taken while others were at work on the machine (load up to ${most} on ${known[0]?.[1].machine.cores} cores). Look at ratios of CPU; times say little.\n`,
  ];
}

interface Medians {
  readonly label: string;
  readonly cpu: number;
  readonly wall: number;
  readonly rss: number;
  readonly requests: number;
}

function mediansOf({ row, runs }: TransferResult): Medians[] {
  return row.subjects.flatMap(({ label }) => {
    const own = runs[label];
    if (own === undefined) return [];
    const of = (metric: (run: Run) => number) => median(own.map(metric));
    const cpu = of(({ cpuSeconds }) => cpuSeconds);
    const [wall, rss] = [of(({ wallSeconds }) => wallSeconds), of(({ rssMiB }) => rssMiB)];
    return [{ label, cpu, wall, rss, requests: of(({ requests }) => requests) }];
  });
}

function plotOf(result: TransferResult): string {
  const memory = result.row.name === "memory";
  const bars = mediansOf(result).map(({ label, cpu, rss }) => ({
    label,
    value: memory ? rss : cpu,
    text: memory ? `${number(rss, 0)} MiB` : `${number(cpu, 2)} s`,
    ours: label.startsWith(BUCKETLINE),
  }));
  return barPlot(memory ? "Memory, MiB" : `${result.row.title}: CPU seconds`, bars);
}

function section(result: TransferResult, picture: string): string {
  const { row, runs, skipped } = result;
  const rows = mediansOf(result).map(({ label, cpu, wall, rss, requests }) => {
    return [label, number(cpu, 2), number(wall, 2), number(rss, 0), number(requests, 0)];
  });
  const table = markdownTable(["client", "CPU s", "time s", "memory MiB", "requests"], rows);
  const missing = Object.entries(skipped).map(([label, reason]) => `- ${label} was left out: ${reason}.\n`);
  const all = Object.values(runs).flat();
  const sink = number(median(all.map((run) => run.sinkCpuSeconds)), 2);
  const rounds = `Rounds: ${row.rounds}. The server itself took ${sink} s of CPU for a run (median of all).`;
  const heading = `## ${row.title[0]?.toUpperCase()}${row.title.slice(1)}`;
  return [heading, "", `![${row.title}](${picture})`, "", table, "", rounds, "", ...missing].join("\n");
}

/** Where a peer needed less of something than Bucketline. */
function wins(known: readonly (readonly [string, Result])[]): string {
  const items = known.flatMap(([, result]) => {
    if (result.kind !== "transfer") return [];
    const [ours, ...others] = mediansOf(result);
    // Subjects of different sizes are no contest.
    if (!ours || ours.label !== BUCKETLINE) return [];
    const peers = others.filter(({ label }) => !label.startsWith(BUCKETLINE));
    const found = (["cpu", "wall", "rss"] as const).flatMap((metric) => {
      const better = peers.filter((peer) => peer[metric] < ours[metric]).map(({ label }) => label);
      return better.length === 0 ? [] : [`${NAMES[metric]} (${better.join(", ")})`];
    });
    return found.length === 0 ? [] : [`- ${result.row.title}: ${found.join("; ")}`];
  });
  const text = items.length === 0 ? "Nowhere in these rows." : `A peer needed less of:\n\n${items.join("\n")}`;
  return `## Where peers win\n\n${text}\n`;
}

const NAMES = { cpu: "CPU", wall: "time", rss: "memory" } as const;

function machines(known: readonly (readonly [string, Result])[]): string {
  const rows = known.map(([name, { machine }]) => {
    const { date, cpu, cores, memoryGiB, platform, node, loadBefore } = machine;
    return [name, date, `${cores} × ${cpu}, ${memoryGiB} GiB, ${platform}`, node, String(loadBefore)];
  });
  const versions = new Map(
    known.flatMap(([, result]) => (result.kind === "transfer" ? Object.entries(result.versions) : [])),
  );
  const named = [...versions].map(([name, version]) => `${name} ${version}`).join(", ");
  const table = markdownTable(["row", "date", "machine", "Node.js", "load before"], rows);
  return `## The machine\n\n${table}\n\nClients: ${named}. A load above 0 means that others were at work.\n`;
}
