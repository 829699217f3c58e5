import type { Emit } from "./events.ts";
import { emitFile } from "./events.ts";
import { reduceFile } from "./file.ts";
import type { Ledger } from "./ledger.ts";
import type { FileLedger } from "./ports/state-store.ts";

const PAGE = 500;

/**
 * Queues failed files again.
 * @param dueBy only those whose time has come, in milliseconds since 1970; undefined: all
 * @returns how many
 */
export async function requeueFailed(
  context: { readonly state: FileLedger; readonly ledger: Ledger; readonly emit: Emit },
  uploadId: string,
  now: number,
  dueBy?: number,
): Promise<number> {
  let requeued = 0;
  for (let after: string | undefined; ; ) {
    const page = await context.state.listFiles(uploadId, { after, limit: PAGE, states: ["FAILED"], dueBy });
    const outcomes = await Promise.all(
      page.map(async (before) => {
        const file = reduceFile(before, { type: "requeue" }, now);
        if ((await context.ledger.offer({ before, after: file })) === "conflict") return 0;
        emitFile(context.emit, { type: "requeue" }, file);
        return 1;
      }),
    );
    for (const one of outcomes) requeued += one;
    after = page.at(-1)?.path;
    if (page.length < PAGE) return requeued;
  }
}
