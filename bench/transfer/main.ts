// Measures Bucketline beside other clients that bring a folder to S3: CPU, memory and time of whole processes.
//
//   npm run bench -- [small] [mid] [large] [rescan] [memory] [idle] [--huge]

import { Bed } from "./bed.ts";
import { linesOf } from "./goals.ts";
import { type Options, optionsOf, USAGE, UsageError } from "./options.ts";
import { writePage } from "./page.ts";
import { RESULTS, type Result, save } from "./results.ts";
import { GROUPS, type Row } from "./rows.ts";
import { RowRun } from "./run.ts";
import { measureIdle, measureRescan } from "./service-rows.ts";
import { plainTable } from "./table.ts";

const RESCAN_FILES = 10_000;
const HUGE_FILES = 1_000_000;

function adapted(row: Row, { rounds, only }: Options): Row {
  const subjects = only === undefined ? row.subjects : row.subjects.filter(({ client }) => only.includes(client));
  return { ...row, subjects, rounds: rounds ?? row.rounds };
}

async function* measureAll(options: Options, bed: Bed): AsyncGenerator<readonly [string, Result], void, void> {
  for (const group of options.groups) {
    for (const row of GROUPS[group] ?? []) {
      const run = new RowRun(bed, adapted(row, options));
      yield [row.name, await run.measure()];
      if (options.profiles !== undefined) process.stdout.write(await run.profile(options.profiles));
      const [{ files } = { files: 1 }] = row.subjects;
      if (files === 1 && (row.secure || bed.sink.noTls !== undefined)) bed.dropTree(files, row.bytesPerFile);
    }
    if (group === "rescan") yield [`rescan-${RESCAN_FILES}`, await measureRescan(bed, RESCAN_FILES)];
    if (group === "rescan" && options.huge) yield [`rescan-${HUGE_FILES}`, await measureRescan(bed, HUGE_FILES)];
    if (group === "idle") yield ["idle", await measureIdle(bed)];
  }
}

async function main(options: Options): Promise<void> {
  const bed = await Bed.open(options);
  const results: Result[] = [];
  try {
    for await (const [name, result] of measureAll(options, bed)) {
      results.push(result);
      if (options.results !== undefined) save(options.results, name, result);
    }
  } finally {
    await bed.close();
  }
  if (options.results === RESULTS) writePage();
  process.stdout.write(`\n${plainTable(results.flatMap(linesOf))}`);
}

// Leaving by exit() removes the files.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

try {
  const options = optionsOf(process.argv.slice(2), RESULTS);
  if (options === "help") process.stdout.write(USAGE);
  else if (options.page) writePage();
  else await main(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
