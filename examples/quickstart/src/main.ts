import { parseArguments, USAGE, UsageError } from "./arguments.ts";
import { openDestination } from "./destination.ts";
import { explain } from "./failure.ts";
import { makePlan } from "./plan.ts";
import { carryOut } from "./quickstart.ts";
import { Stopped } from "./stopping.ts";

async function main(): Promise<void> {
  const args = parseArguments(process.argv.slice(2));
  if (!args) {
    process.stdout.write(USAGE);
    return;
  }
  const plan = makePlan(args, process.env);
  const destination = await openDestination(plan);
  try {
    await carryOut(plan, destination, process.stdout);
  } finally {
    await destination.close();
  }
}

function exitCodeFor(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\nnpm start -- --help shows how it is used.\n`);
    return 2;
  }
  if (error instanceof Stopped) {
    process.stdout.write("Stopped. The same command again goes on from here.\n");
    return error.exitCode;
  }
  const lines = explain(error);
  if (!lines) throw error;
  process.stderr.write(lines.map((line) => `${line}\n`).join(""));
  return 1;
}

// A reader that goes away (`npm start | head`) ends the output, not the upload.
process.stdout.on("error", () => {});

try {
  await main();
} catch (error) {
  process.exitCode = exitCodeFor(error);
}
