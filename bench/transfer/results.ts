import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cost } from "./measure.ts";
import type { Row } from "./rows.ts";

export const RESULTS = fileURLToPath(new URL("../results/", import.meta.url));

/** One run of one subject. */
export interface Run extends Cost {
  readonly requests: number;
  /** What the sink itself took, which is in none of the other figures. */
  readonly sinkCpuSeconds: number;
}

/** What was measured on, and when. No names and no paths of the machine. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  /** Processes that wanted to run beside the benchmark when it began, averaged over a minute. */
  readonly loadBefore: number;
}

interface Measured {
  readonly machine: Machine;
}

/** Subjects that sent files. */
export interface TransferResult extends Measured {
  readonly kind: "transfer";
  readonly row: Row;
  readonly versions: Readonly<Record<string, string>>;
  readonly dataPath: string;
  readonly runs: Readonly<Record<string, readonly Run[]>>;
  /** Subjects that could not be measured, with the reason. */
  readonly skipped: Readonly<Record<string, string>>;
}

/** A service that looks again, beside find. */
export interface ScanResult extends Measured {
  readonly kind: "scan";
  readonly files: number;
  /** CPU seconds. */
  readonly find: readonly number[];
  readonly checks: readonly number[];
  readonly passes: readonly number[];
  readonly rowsWritten: number;
  readonly rssMiB: number;
}

/** A service with nothing to do. */
export interface IdleResult extends Measured {
  readonly kind: "idle";
  readonly folders: number;
  /** Of one core. */
  readonly share: number;
}

export type Result = TransferResult | ScanResult | IdleResult;

export function machine(): Machine {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

export function save(folder: string, name: string, result: Result): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
}

/** Every result in the folder, by name. */
export function load(folder: string): Map<string, Result> {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return new Map(
    names.sort().map((name) => {
      return [name.replace(/\.json$/, ""), JSON.parse(readFileSync(join(folder, name), "utf8")) as Result];
    }),
  );
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2;
}
