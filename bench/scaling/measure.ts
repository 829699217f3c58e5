import type { Measurement } from "../stores/measurement.ts";
import { findServer, measureApart } from "../stores/processes.ts";
import type { Costs } from "./simulation.ts";

/** What a service spends on a file and on a byte, over and above its ledger. Seconds of CPU. */
export interface TransferCosts {
  readonly perFile: number;
  readonly perByte: number;
}

export interface MeasuredCosts {
  readonly sqlite: Costs;
  /** Undefined: there is no PostgreSQL server here to measure. */
  readonly postgres: Costs | undefined;
  /** Seconds of CPU per file to find that nothing has changed in the ledger. */
  readonly rescanPerFile: number;
}

const US = 1e-6;

/** Measures the ledgers here and now. @param rows how many each is filled with @throws Error when SQLite cannot be measured */
export async function measureCosts(rows: number, transfer: TransferCosts): Promise<MeasuredCosts> {
  const sqlite = await measured("sqlite", rows);
  if (!sqlite) throw new Error("SQLite could not be measured.");
  const server = await findServer().catch(() => undefined);
  try {
    const { url, pid } = server ?? {};
    const postgres = url === undefined ? undefined : await measured("postgres", rows, { url, pid });
    return {
      sqlite: costsOf(sqlite, rows, transfer),
      postgres: postgres && costsOf(postgres, rows, transfer),
      rescanPerFile: sqlite.phases.rescan.cpuUs * US,
    };
  } finally {
    await server?.stop();
  }
}

async function measured(
  subject: "sqlite" | "postgres",
  rows: number,
  server?: { readonly url: string; readonly pid: number | undefined },
): Promise<Measurement | undefined> {
  const options = { subjects: [subject], sizes: [rows], rounds: 1, folder: undefined, profiles: undefined };
  const answer = await measureApart({ subject, rows, server }, options);
  return "error" in answer ? undefined : answer.measured;
}

function costsOf({ phases, diskBytes }: Measurement, rows: number, transfer: TransferCosts): Costs {
  const { insert, "claim+complete": life } = phases;
  return {
    cpuPerFile: transfer.perFile + (insert.cpuUs + life.cpuUs) * US,
    cpuPerByte: transfer.perByte,
    databasePerFile: ((insert.serverCpuUs ?? 0) + (life.serverCpuUs ?? 0)) * US,
    bytesPerRow: diskBytes / rows,
  };
}
