// Measures what a scan costs beside `find`, how much memory it takes, and what comparing with the ledger adds.
//
//   npm run bench:scan -- [--files 300000] [--memory 1000000] [--rescan 100000,1000000]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Options, optionsOf, USAGE, UsageError } from "./options.ts";
import { type Cost, cpuMs, runApart, runFind, type Task } from "./task.ts";
import { makeTree } from "./tree.ts";

/** The smaller tree of a comparison of memory. */
const SMALL = 100_000;

const say = (line: string) => process.stdout.write(`${line}\n`);
const told = (what: string) => process.stderr.write(`${what}\n`);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function line(name: string, costs: readonly Pick<Cost, "userMs" | "systemMs">[], files: number): number {
  const total = median(costs.map(cpuMs));
  const [user, system] = [median(costs.map(({ userMs }) => userMs)), median(costs.map(({ systemMs }) => systemMs))];
  const parts = [`${total.toFixed(0)} ms`, `user ${user.toFixed(0)}`, `system ${system.toFixed(0)}`];
  say(`  ${name.padEnd(18)} ${parts.join(", ")}; ${((total * 1_000) / files).toFixed(2)} µs per file`);
  return total;
}

async function besideFind(trees: Trees, { files, rounds, pattern }: Options): Promise<void> {
  const root = trees.root(files);
  const [finds, scans] = [[] as Pick<Cost, "userMs" | "systemMs">[], [] as Cost[]];
  await runFind(root);
  await trees.run({ type: "scan", root, pattern });
  for (let round = 1; round <= rounds; round++) {
    told(`round ${round} of ${rounds}`);
    finds.push(await runFind(root));
    scans.push(await trees.run({ type: "scan", root, pattern }));
  }
  say(`\nCPU time of ${files} files, median of ${rounds} rounds:`);
  const find = line("find -printf", finds, files);
  const scan = line("scan", scans, files);
  const ratios = scans.map((cost, round) => cpuMs(cost) / cpuMs(finds[round] as Cost));
  const range = `${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)} by round`;
  say(`  ratio              ${(scan / find).toFixed(2)} (${range}); aim: at most 2`);
  say(`  peak memory        ${median(scans.map(({ peakMb }) => peakMb)).toFixed(0)} MB`);
}

async function compareMemory(trees: Trees, files: number): Promise<void> {
  const small = await trees.run({ type: "scan", root: trees.root(SMALL) });
  const large = await trees.run({ type: "scan", root: trees.root(files) });
  say("\nPeak memory of a scan:");
  for (const { files: seen, peakMb } of [small, large])
    say(`  ${String(seen).padEnd(9)} files ${peakMb.toFixed(0)} MB`);
  say(`  ratio ${(large.peakMb / small.peakMb).toFixed(2)}`);
}

async function compareWithLedger(trees: Trees, files: number, rounds: number): Promise<void> {
  const root = trees.root(files);
  const ledger = join(trees.folder, `ledger-${files}.db`);
  told(`a ledger of ${files} files`);
  await trees.run({ type: "fill", root, ledger });
  const [scans, rescans] = [[] as Cost[], [] as Cost[]];
  for (let round = 1; round <= rounds; round++) {
    told(`round ${round} of ${rounds}`);
    scans.push(await trees.run({ type: "scan", root }));
    rescans.push(await trees.run({ type: "rescan", root, ledger }));
  }
  say(`\nCPU time of rescanning ${files} unchanged files, median of ${rounds} rounds:`);
  const scan = line("scan", scans, files);
  const rescan = line("scan and compare", rescans, files);
  say(`  ratio              ${(rescan / scan).toFixed(2)}`);
  say(`  peak memory        ${median(rescans.map(({ peakMb }) => peakMb)).toFixed(0)} MB`);
  say(`  files, writes      ${rescans[0]?.files}, ${rescans.reduce((sum, { writes }) => sum + writes, 0)}`);
}

/** Trees of empty files, made when they are first asked for. */
class Trees {
  readonly folder: string;
  readonly #roots = new Map<number, string>();

  constructor(parent: string) {
    this.folder = mkdtempSync(join(parent, "bucketline-bench-"));
  }

  root(files: number): string {
    const known = this.#roots.get(files);
    if (known !== undefined) return known;
    const root = join(this.folder, `tree-${files}`);
    told(`a tree of ${files} files`);
    makeTree(root, files);
    this.#roots.set(files, root);
    return root;
  }

  run(task: Task): Promise<Cost> {
    return runApart(task, join(this.folder, "compiled"));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function main(options: Options): Promise<void> {
  const trees = new Trees(options.folder ?? tmpdir());
  // Leaving by exit() removes the files.
  process.once("exit", () => trees.remove());
  if (options.files > 0) await besideFind(trees, options);
  if (options.memory !== undefined) await compareMemory(trees, options.memory);
  const rounds = Math.min(options.rounds, 3);
  for (const files of options.rescan) await compareWithLedger(trees, files, rounds);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

try {
  const options = optionsOf(process.argv.slice(2));
  if (options === "help") process.stdout.write(USAGE);
  else await main(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
