// Kills an upload of real size on its way and says what that cost:
//   node --conditions=@bucketline/source packages/core/test/kill/run.ts --count 5 --big-mib 300 --small 2000

import { parseArgs } from "node:util";
import { IN_FLIGHT_BYTES, uploadWithKills } from "./kills.ts";
import { readOutcome } from "./outcome.ts";
import { readSendings } from "./sendings.ts";
import { Trial } from "./trial.ts";

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "5" },
    "big-mib": { type: "string", default: "300" },
    small: { type: "string", default: "2000" },
  },
});
const kills = whole("count", values.count);
const spec = { smallFiles: whole("small", values.small), bigBytes: whole("big-mib", values["big-mib"]) * MIB };

const trial = await Trial.open(spec);
try {
  await report(trial);
} finally {
  await trial.close();
}

async function report(trial: Trial): Promise<void> {
  const sourceBytes = trial.files.reduce((sum, { size }) => sum + size, 0);
  const killed = await uploadWithKills(trial, kills);
  const sent = readSendings(trial.log.records);
  const outcome = await readOutcome(trial);

  const again = sent.bytes - sourceBytes;
  const bound = killed * IN_FLIGHT_BYTES;
  const { needless, overlapped, begun, aborted } = sent;
  const same = trial.files.length - outcome.wrong.length;
  const good =
    killed === kills &&
    same === outcome.objects &&
    outcome.state === "COMPLETED" &&
    [...outcome.wrong, ...outcome.strange, ...outcome.multiparts, ...outcome.disagreeing, ...needless].length === 0 &&
    begun === 1 + aborted.length &&
    again <= bound;
  process.stdout.write(
    `${good ? "good" : "BAD"}: ${killed} kills, ${same} of ${trial.files.length} objects the same by SHA-256, ` +
      `${outcome.multiparts.length} multipart uploads left, ${begun} begun, ${needless.length} finished parts or files sent again ` +
      `(${overlapped.length} stored after the next process had asked), ${sent.cut} requests cut off, ` +
      `${again} of ${sourceBytes} bytes sent again (bound ${bound}), ledger ${outcome.state}\n`,
  );
  if (!good) process.exitCode = 1;
}

function whole(name: string, text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw new Error(`--${name} takes a whole number from 1, not ${JSON.stringify(text)}.`);
  return Number(text);
}
