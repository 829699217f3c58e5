import { BIG_FILE } from "./source.ts";
import { CHUNK_SIZE, CONCURRENCY, PART_CONCURRENCY, type Trial } from "./trial.ts";

const LARGEST_SMALL_FILE = 8 * 1024;

/** Most bytes that may have been on their way at one instant, and so may have to be sent again after a kill. */
export const IN_FLIGHT_BYTES = PART_CONCURRENCY * CHUNK_SIZE + CONCURRENCY * LARGEST_SMALL_FILE;

/**
 * Runs the upload to its end, killing its process on the way: the kills divide the work (half of it the parts of the
 * large file, half the small files) into equal stretches. Each waits for at least one body of its own process.
 * @returns how many processes were killed before they had ended by themselves
 */
export async function uploadWithKills(trial: Trial, kills: number): Promise<number> {
  let killed = 0;
  for (let kill = 1; kill <= kills; kill++) {
    const uploader = trial.upload();
    const before = stored(trial);
    const due = () => stored(trial) > before && stored(trial) >= kill / (kills + 1);
    if (!(await trial.log.until(due, uploader.ended))) throw new Error(`Ended before kill ${kill}. ${uploader.errors}`);
    const { signal } = await uploader.signal("SIGKILL");
    if (signal === "SIGKILL") killed++;
  }
  await uploadToTheEnd(trial);
  return killed;
}

export async function uploadToTheEnd(trial: Trial): Promise<void> {
  const uploader = trial.upload();
  const { code, signal } = await uploader.ended;
  if (code !== 0) throw new Error(`The uploader ended with ${code ?? signal}. ${uploader.errors}`);
  trial.log.read();
}

/** How much of the source the sandbox has stored: 0 … 1. */
export function stored(trial: Trial): number {
  const done = { UploadPart: new Set<number>(), PutObject: new Set<string>() };
  for (const { operation, committed, key = "", partNumber = 0 } of trial.log.records) {
    if (!committed) continue;
    if (operation === "UploadPart") done.UploadPart.add(partNumber);
    if (operation === "PutObject") done.PutObject.add(key);
  }
  const big = trial.files.find(({ path }) => path === BIG_FILE);
  const parts = Math.ceil((big?.size ?? 0) / CHUNK_SIZE);
  return (done.UploadPart.size / parts + done.PutObject.size / (trial.files.length - 1)) / 2;
}
