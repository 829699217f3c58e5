import { cpus } from "node:os";
import type { ApiCost } from "./api.ts";
import type { LiveCost } from "./live.ts";
import type { Kind } from "./load.ts";

const GOAL_MS = 50;

export function machine(): string {
  const processors = cpus();
  return `Node.js ${process.version}, ${processors.length} × ${processors[0]?.model.trim() ?? "unknown processor"}`;
}

function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN;
}

export function apiReport({ load, busy, alone, beside }: ApiCost): string {
  const all = Object.values(load.latencies)
    .flat()
    .sort((a, b) => a - b);
  const kinds = Object.keys(load.latencies) as Kind[];
  const lines = [
    line("request", ["n", "p50", "p90", "p99", "max"]),
    ...kinds.map((kind) => latencyLine(kind, load.latencies[kind])),
    latencyLine("all", all),
    latencyLine("sent late by", load.lateness),
    latencyLine("4 KiB synced in", load.syncs),
    "",
    `  event loop of the service: late by ${busy.delay.p50.toFixed(1)} ms (p50), ${busy.delay.p99.toFixed(1)} ms (p99), ` +
      `${busy.delay.max.toFixed(1)} ms (max); busy ${percent(busy.utilization)} of the time; ` +
      `CPU of the process ${percent(busy.cpuSeconds / busy.seconds)}`,
    `  upload: ${alone.before.toFixed(0)} files/s alone before, ${beside.toFixed(0)} beside the requests, ` +
      `${alone.after.toFixed(0)} alone after: ${((2 * beside) / (alone.before + alone.after)).toFixed(2)} of alone`,
    `  p99 ${quantile(all, 0.99).toFixed(1)} ms, goal below ${GOAL_MS} ms: ${quantile(all, 0.99) < GOAL_MS ? "reached" : "missed"}`,
    ...Object.entries(load.unexpected).map(([what, count]) => `  unexpected: ${what}, ${count} times`),
  ];
  return `${lines.join("\n")}\n`;
}

export function liveReport({ streams, rates, memoryPerStream }: LiveCost): string {
  const header = ["no stream", "one", `${streams}`, "per stream", "delivered", "loop p99", "loop max"];
  const lines = rates.map(({ rate, cpu, delay, delivered }) =>
    line(`${rate.toFixed(0)} events/s`, [
      `${cpu.none.toFixed(0)} µs`,
      `${cpu.one.toFixed(0)} µs`,
      `${cpu.all.toFixed(0)} µs`,
      `${((cpu.all - cpu.one) / Math.max(1, streams - 1)).toFixed(2)} µs`,
      percent(delivered),
      `${delay.p99.toFixed(1)} ms`,
      `${delay.max.toFixed(1)} ms`,
    ]),
  );
  const memory = `  memory: ${(memoryPerStream / 1024).toFixed(0)} KiB per stream`;
  return `${[line("CPU per event", header), ...lines, memory].join("\n")}\n`;
}

function latencyLine(name: string, ascending: readonly number[]): string {
  const figures = [0.5, 0.9, 0.99, 1].map((share) => `${quantile(ascending, share).toFixed(1)} ms`);
  return line(name, [String(ascending.length), ...figures]);
}

function line(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(16)}${cells.map((cell) => cell.padStart(12)).join("")}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
