// Fails when Bucketline's CPU per file, as a ratio to a plain PutObject loop in the same run, has clearly grown.
//
//   npm run bench:check

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Bed } from "./bed.ts";
import { BUCKETLINE } from "./clients.ts";
import { median, type Run } from "./results.ts";
import type { Row } from "./rows.ts";
import { RowRun } from "./run.ts";

const LOOP = "PutObject loop";
const FILES = 2_000;
const subject = (client: string) => ({ label: client, client, files: FILES, concurrency: 16 });
const ROW: Row = {
  name: "check",
  title: `${FILES.toLocaleString("en-US")} × 4 KiB`,
  bytesPerFile: 4_096,
  subjects: [subject(BUCKETLINE), subject(LOOP)],
  ...{ delayMs: 0, secure: false, again: false, rounds: 5 },
};

const { values } = parseArgs({ options: { folder: { type: "string" }, "data-path": { type: "string" } } });
const bound = JSON.parse(readFileSync(new URL("bound.json", import.meta.url), "utf8")) as { readonly cpuRatio: number };

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const bed = await Bed.open({ folder: values.folder, dataPath: values["data-path"] });
try {
  const { runs } = await new RowRun(bed, ROW).measure();
  const cpu = (label: string) => (runs[label] ?? []).map((run: Run) => run.cpuSeconds);
  const loop = cpu(LOOP);
  const ratio = median(cpu(BUCKETLINE).map((seconds, round) => seconds / (loop[round] ?? Number.NaN)));
  const holds = ratio <= bound.cpuRatio;
  const said = `CPU of Bucketline ÷ PutObject loop: ${ratio.toFixed(2)}, at most ${bound.cpuRatio}`;
  process.stdout.write(`bench:check: ${said}: ${holds ? "holds" : "a regression"}\n`);
  if (!holds) process.exitCode = 1;
} finally {
  await bed.close();
}
