// Measures how soon requests are answered beside a running upload, and what an event costs with many streams.
//
//   npm run bench:http -- [--seconds 60] [--rate 200] [--streams 1000]

import { measureApi } from "./api.ts";
import { measureLive } from "./live.ts";
import { type Options, optionsOf, USAGE, UsageError } from "./options.ts";
import { apiReport, liveReport, machine } from "./report.ts";

const say = (text: string) => process.stdout.write(`${text}\n`);
const told = (what: string) => process.stderr.write(`${what}\n`);

async function main(options: Options): Promise<void> {
  const { seconds, rate, files, streams } = options;
  say(machine());
  if (seconds > 0) {
    told(`${rate} requests/s for ${seconds} s beside an upload of ${files} small files`);
    const cost = await measureApi(options);
    say(`\n${rate} requests/s for ${seconds} s beside a running upload, from when each was due:`);
    say(apiReport(cost));
  }
  if (streams > 0) {
    told(`${streams} event streams`);
    const cost = await measureLive(options);
    say(`CPU of the service per event, all of its work included:`);
    say(liveReport(cost));
  }
}

try {
  const options = optionsOf(process.argv.slice(2));
  if (options === "help") process.stdout.write(USAGE);
  else await main(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
