import { cleanUp } from "./cleanup.ts";
import { BucketlineError, reasonOf } from "./errors.ts";
import { emitWarning } from "./events.ts";
import { reduceFile } from "./file.ts";
import type { StateStore } from "./ports/state-store.ts";
import type { TransferContext } from "./transfer.ts";
import type { Uploads } from "./uploads.ts";

const BATCH = 250;

/**
 * Takes back the files of owners that are dead: they become PENDING with their transfers, so that whoever claims them
 * goes on where the dead one stopped. What was in dead hands more than once lines up behind what was not, so that a file
 * that kills its process does not keep the others from their turn.
 * @returns how many
 */
export async function rescueFiles(state: StateStore, context: TransferContext): Promise<number> {
  let rescued = 0;
  for (;;) {
    const now = context.clock.now();
    const files = await state.rescue({
      limit: BATCH,
      release: (file) =>
        reduceFile(file, { type: "release", burnt: true, nextAttemptAt: file.attempts > 1 ? now : 0 }, now),
    });
    rescued += files.length;
    if (files.length < BATCH) return rescued;
  }
}

/** Goes on with the clean-up of cancelled uploads. What fails now is tried again by the next call. @returns how many are done */
export async function cleanCancelled(context: TransferContext, uploads: Uploads): Promise<number> {
  let cleaned = 0;
  for await (const upload of uploads.inStates({ states: ["CANCELLED"], cleanupDue: true })) {
    try {
      if (await cleanUp(context, uploads, upload)) cleaned++;
    } catch (error) {
      if (!(error instanceof BucketlineError)) throw error;
      emitWarning(context.emit, reasonOf(error), upload.id);
    }
  }
  return cleaned;
}
