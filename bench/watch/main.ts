// Measures how soon a file is uploaded with file system events and without, and what watching a large tree costs.
//
//   npm run bench:watch -- [--files 200] [--interval 5000] [--folders 100000]

import { FakeFolderWatcher } from "@bucketline/core/testing";
import { measureLargeTree } from "./large-tree.ts";
import { type Latencies, measureLatency, quantile } from "./latency.ts";
import { type Options, optionsOf, USAGE, UsageError } from "./options.ts";

const MINUTE_MS = 60_000;

const say = (line: string) => process.stdout.write(`${line}\n`);
const told = (what: string) => process.stderr.write(`${what}\n`);
const percent = (share: number) => `${(share * 100).toFixed(2)} % of a core`;

async function largeTree(options: Options): Promise<void> {
  told(`watching ${options.folders} folders`);
  const { watch, service } = await measureLargeTree(options);
  say(`\nWatching ${options.folders} folders:`);
  say(`  start-up           ${watch.cpuMs.toFixed(0)} ms CPU, ${watch.wallMs.toFixed(0)} ms in all`);
  say(`  event loop         stood still for ${watch.blockedMs.toFixed(0)} ms at most meanwhile`);
  say(`  memory             ${watch.memoryMb.toFixed(0)} MB more`);
  say(`  idle, watcher      ${percent(watch.idle)}`);
  say(`  idle, service      ${percent(service.idle)} between scans; aim: below 1 %`);
  const perMinute = percent(service.scanCpuMs / MINUTE_MS);
  say(`  a scan             ${service.scanCpuMs.toFixed(0)} ms CPU: once a minute, that is ${perMinute} more`);
}

function latencyLine(name: string, latencies: Latencies): void {
  const [p50, p95, worst] = [0.5, 0.95, 1].map((share) => quantile(latencies, share).toFixed(0));
  say(`  ${name.padEnd(18)} p50 ${p50} ms, p95 ${p95} ms, worst ${worst} ms`);
}

async function latencies(options: Options): Promise<void> {
  const { files, threshold, interval } = options;
  told(`${files} files with events`);
  const hinted = await measureLatency(options, { monitorInterval: MINUTE_MS });
  told(`${files} files with every event dropped`);
  const dropped = await measureLatency(options, { monitorInterval: interval, watcher: new FakeFolderWatcher() });
  say(`\nFrom the end of the write to file:uploaded, ${files} files, quiet for ${threshold} ms:`);
  latencyLine("with events", hinted);
  latencyLine("events dropped", dropped);
  say(`  the interval between scans is ${MINUTE_MS} ms with events, and ${interval} ms without`);
}

try {
  const options = optionsOf(process.argv.slice(2));
  if (options === "help") process.stdout.write(USAGE);
  else {
    if (options.folders > 0) await largeTree(options);
    if (options.files > 0) await latencies(options);
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
