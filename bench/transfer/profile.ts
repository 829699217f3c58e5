import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** As V8 writes it; times in microseconds. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Share {
  readonly name: string;
  readonly milliseconds: number;
}

export interface ProfileSummary {
  readonly totalMs: number;
  readonly groups: readonly Share[];
  /** Those that took most by themselves. */
  readonly functions: readonly (Share & { readonly group: string })[];
}

const TOP = 15;
/** First match counts. What belongs to none, such as native code, goes with whoever called it. */
const GROUPS: readonly (readonly [string, RegExp])[] = [
  ["SDK", /node_modules\/(@aws-sdk|@smithy|@aws-crypto)|core\/src\/s3\//],
  ["http", /node:(_http|http|https|net|tls|_tls|internal\/(stream_base|net|http|tls|streams))|node_modules\/undici/],
  ["hashing", /node:(crypto|internal\/crypto|zlib)|core\/src\/checksum/],
  ["ledger", /store-sqlite|better-sqlite3|core\/src\/(ledger|lane|known-files|custody|file|upload)\b/],
  ["scan", /core\/src\/(scan|tree-walk|threaded-walk|walk|reconcile|merge|plan|patterns|glob|decide)|picomatch/],
  ["events", /core\/src\/(emitter|events|progress|outbox|notice|noteworthy)|eventemitter3/],
  ["files", /node:(fs|internal\/fs)|core\/src\/(node-file-system|source|transfer|buffers)/],
  ["loading", /node:internal\/(modules|deps\/amaro|bootstrap|main)|node:(vm|module)/],
  ["engine", /core\/(src|dist)\//],
  [
    "timers, promises",
    /node:(timers|internal\/(timers|process|abort|event_target|async_hooks|per_context))|node:events/,
  ],
];
/** Not work of anybody: waiting. */
const IDLE = "(idle)";

/** All threads' profiles in the folder together. Needs Bucketline from its sources: bundles do not say who is who. */
export function summarize(folder: string): ProfileSummary {
  const [groups, functions] = [new Map<string, number>(), new Map<string, { group: string; ms: number }>()];
  let totalMs = 0;
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".cpuprofile"))) {
    for (const { label, group, ms } of selfTimes(JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile)) {
      if (label === IDLE) continue;
      totalMs += ms;
      groups.set(group, (groups.get(group) ?? 0) + ms);
      functions.set(label, { group, ms: (functions.get(label)?.ms ?? 0) + ms });
    }
  }
  const shares = [...functions].map(([name, { group, ms }]) => ({ name, group, milliseconds: ms }));
  return {
    totalMs,
    groups: [...groups].map(([name, milliseconds]) => ({ name, milliseconds })).sort(byTime),
    functions: shares.sort(byTime).slice(0, TOP),
  };
}

export function summaryText({ totalMs, groups, functions }: ProfileSummary): string {
  const share = (ms: number) => `${((ms / totalMs) * 100).toFixed(1).padStart(5)} %  ${ms.toFixed(0).padStart(6)} ms`;
  return [
    `  at work, or waiting in a synchronous call, for ${totalMs.toFixed(0)} ms`,
    ...groups.map(({ name, milliseconds }) => `  ${share(milliseconds)}  ${name}`),
    "  most by themselves:",
    ...functions.map(({ name, group, milliseconds }) => `  ${share(milliseconds)}  ${group.padEnd(16)}  ${name}`),
    "",
  ].join("\n");
}

function selfTimes({ nodes, samples, timeDeltas }: Profile): { label: string; group: string; ms: number }[] {
  const self = new Map<number, number>();
  samples.forEach((id, index) => {
    self.set(id, (self.get(id) ?? 0) + (timeDeltas[index] ?? 0) / 1_000);
  });
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const groups = new Map<number, string>();
  // Parents come before their children.
  return nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
    const parent = groups.get(parents.get(id) ?? -1) ?? "other";
    const own = GROUPS.find(([, pattern]) => pattern.test(url))?.[0];
    const special = functionName === "(garbage collector)" ? "garbage collection" : parent;
    const group = own ?? special;
    groups.set(id, group);
    const place = url === "" ? "" : ` ${url.replace(/^.*\/(node_modules|packages)\//, "")}:${lineNumber + 1}`;
    return { label: `${functionName || "(anonymous)"}${place}`, group, ms: self.get(id) ?? 0 };
  });
}

function byTime(a: Share, b: Share): number {
  return b.milliseconds - a.milliseconds;
}
