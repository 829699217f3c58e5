import { IN_FLIGHT_BYTES, uploadWithKills } from "./kills.ts";
import { readOutcome } from "./outcome.ts";
import { readSendings } from "./sendings.ts";
import type { SourceSpec } from "./source.ts";
import { Trial } from "./trial.ts";

interface Report {
  /** Whether all is well. */
  readonly good: boolean;
  readonly line: string;
}

/** Kills an upload of real size on its way and says in one line what that cost. */
export async function killBigUpload(kills: number, spec: SourceSpec): Promise<Report> {
  const trial = await Trial.open(spec);
  try {
    return await report(trial, kills);
  } finally {
    await trial.close();
  }
}

async function report(trial: Trial, kills: number): Promise<Report> {
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
  const line =
    `${killed} kills, ${same} of ${trial.files.length} objects the same by SHA-256, ` +
    `${outcome.multiparts.length} multipart uploads left, ${begun} begun, ${needless.length} finished parts or files sent again ` +
    `(${overlapped.length} stored after the next process had asked), ${sent.cut} requests cut off, ` +
    `${again} of ${sourceBytes} bytes sent again (bound ${bound}), ledger ${outcome.state}`;
  return { good, line };
}
