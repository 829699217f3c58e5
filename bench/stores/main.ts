// Measures what the state stores cost per row, and whether that stays the same as the ledger grows.
//
//   npm run bench:stores -- [--rows 10000,100000,1000000] [--stores sqlite,json]

import type { DatabaseServer } from "./measurement.ts";
import { type Options, optionsOf, USAGE, UsageError } from "./options.ts";
import { findServer, measureApart } from "./processes.ts";
import { report } from "./report.ts";
import { Results } from "./results.ts";
import type { SubjectName } from "./subjects.ts";

type Server = Awaited<ReturnType<typeof findServer>>;

/** Many rows are measured well enough at once; very few only show that it works. */
const roundsOf = (rows: number) => (rows >= 10_000 && rows <= 50_000 ? 3 : 1);

const failed = new Map<SubjectName, string>();

function fail(subject: SubjectName, reason: string): void {
  failed.set(subject, reason);
  process.stderr.write(`${subject} could not be measured: ${reason}\n`);
}

async function serverFor(options: Options): Promise<Server | undefined> {
  if (!options.subjects.includes("postgres")) return undefined;
  try {
    return await findServer();
  } catch (error) {
    fail("postgres", (error as Error).message);
    return undefined;
  }
}

async function measureAll(options: Options, server: DatabaseServer | undefined): Promise<Results> {
  const results = new Results();
  for (const rows of options.sizes) {
    const rounds = options.rounds ?? roundsOf(rows);
    // Round by round, so that a bad moment of the machine does not fall on one store alone.
    for (let round = 1; round <= rounds; round++) {
      process.stderr.write(`${rows} rows, round ${round} of ${rounds}\n`);
      for (const subject of options.subjects) {
        if (failed.has(subject)) continue;
        const answer = await measureApart({ subject, rows, ...(subject === "postgres" && { server }) }, options);
        if ("error" in answer) fail(subject, answer.error);
        else results.add(subject, rows, answer.measured);
      }
    }
  }
  return results;
}

async function main(options: Options): Promise<void> {
  const server = await serverFor(options);
  try {
    const { url, pid } = server ?? {};
    const results = await measureAll(options, url === undefined ? undefined : { url, pid });
    process.stdout.write(report(results, options));
  } finally {
    await server?.stop();
  }
  for (const [subject, reason] of failed) process.stdout.write(`failed: ${subject}: ${reason}\n`);
  if (failed.size > 0) process.exitCode = 1;
}

// Leaving by exit() removes the files; the children see their channel close.
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
