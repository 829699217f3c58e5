import { type Measurement, type PhaseCost, totalCpuUs } from "./measurement.ts";
import type { SubjectName } from "./subjects.ts";
import { PHASES, type Phase } from "./workload.ts";

/** Medians of all rounds, by subject and size. */
export class Results {
  readonly #rounds = new Map<string, Measurement[]>();

  add(subject: SubjectName, rows: number, measured: Measurement): void {
    const key = `${subject} ${rows}`;
    this.#rounds.set(key, [...(this.#rounds.get(key) ?? []), measured]);
  }

  of(subject: SubjectName, rows: number): Measurement | undefined {
    const rounds = this.#rounds.get(`${subject} ${rows}`);
    if (rounds === undefined) return undefined;
    const phase = (name: Phase) => medianCost(rounds.map(({ phases }) => phases[name]));
    const memory = (name: keyof Measurement["memory"]) => median(rounds.map((round) => round.memory[name]));
    const [insert, complete, rescan] = PHASES;
    return {
      phases: { [insert]: phase(insert), [complete]: phase(complete), [rescan]: phase(rescan) },
      memory: {
        rss: memory("rss"),
        peakGrowth: memory("peakGrowth"),
        heapGrowth: memory("heapGrowth"),
        nativeGrowth: memory("nativeGrowth"),
      },
      diskBytes: median(rounds.map(({ diskBytes }) => diskBytes)),
    };
  }

  /** CPU microseconds per row. */
  cpu(subject: SubjectName, rows: number, phase: Phase): number | undefined {
    const measured = this.of(subject, rows);
    return measured && totalCpuUs(measured.phases[phase]);
  }
}

function medianCost(costs: readonly PhaseCost[]): PhaseCost {
  const server = costs.flatMap(({ serverCpuUs }) => serverCpuUs ?? []);
  return {
    rowsPerSecond: median(costs.map(({ rowsPerSecond }) => rowsPerSecond)),
    cpuUs: median(costs.map(({ cpuUs }) => cpuUs)),
    serverCpuUs: server.length === 0 ? null : median(server),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
}
