import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Answer, Measurement, PhaseCost, Task } from "./measurement.ts";
import { Meter, watchMemory } from "./meter.ts";
import { serverCpuUs } from "./server-cpu.ts";
import { openSubject } from "./subjects.ts";
import { PHASES, type Phase, type Subject } from "./workload.ts";

/** Rows after which the optimiser has seen every path; without them the smallest size would pay for compilation. */
const WARM_UP_ROWS = 5_000;
/** A rescan is cheap: a small one is repeated until it can be measured. */
const LEAST_RESCANNED = 50_000;

async function open(task: Task, name: string) {
  const folder = join(task.folder, name);
  mkdirSync(folder);
  const schema = `${name}_${process.pid}`;
  return await openSubject(task.subject, { folder, databaseUrl: task.server?.url, schema });
}

async function warmUp(task: Task): Promise<void> {
  const subject = await open(task, "warm_up");
  for (const phase of PHASES) await subject.run[phase](WARM_UP_ROWS, new Meter());
  await subject.close();
  await subject.measureDisk();
}

async function runPhase(subject: Subject, phase: Phase, task: Task): Promise<PhaseCost> {
  const { rows, server } = task;
  const ofServer = () => (server?.pid === undefined ? undefined : serverCpuUs(server.pid));
  const passes = phase === "rescan" ? Math.ceil(LEAST_RESCANNED / rows) : 1;
  const meter = new Meter();
  const before = ofServer();
  for (let pass = 0; pass < passes; pass++) await subject.run[phase](rows, meter);
  const after = ofServer();
  const { wallMs, cpuUs } = meter.cost;
  const total = rows * passes;
  return {
    rowsPerSecond: (total / wallMs) * 1_000,
    cpuUs: cpuUs / total,
    serverCpuUs: before === undefined || after === undefined ? null : (after - before) / total,
  };
}

async function measure(task: Task): Promise<Measurement> {
  await warmUp(task);
  const memory = watchMemory();
  const subject = await open(task, "bench");
  const phases = {
    insert: await runPhase(subject, "insert", task),
    "claim+complete": await runPhase(subject, "claim+complete", task),
    rescan: await runPhase(subject, "rescan", task),
  };
  const used = memory();
  await subject.close();
  return { phases, memory: used, diskBytes: await subject.measureDisk() };
}

async function answer(task: Task): Promise<Answer> {
  try {
    return { measured: await measure(task) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

process.once("disconnect", () => process.exit(1));
const result = await answer(JSON.parse(process.argv[2] ?? "{}") as Task);
process.send?.(result, () => process.exit(0));
