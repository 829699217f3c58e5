import type { Emit } from "./events.ts";
import { emitFile } from "./events.ts";
import { type FileRecord, reduceFile } from "./file.ts";
import type { Ledger } from "./ledger.ts";
import type { FileLedger } from "./ports/state-store.ts";

const PAGE = 500;

export interface RequeueOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Only files whose time has come by then, in milliseconds since 1970. Default: all. */
  readonly dueBy?: number;
  /** Called before files are written: the upload must be open before it gets work. */
  readonly onWork: () => Promise<void>;
  /** Puts a file where it can be sent from; false: it stays FAILED. Default: it is there. */
  readonly restore?: (file: FileRecord) => Promise<boolean>;
}

/** Queues failed files again. @returns how many */
export async function requeueFailed(
  context: { readonly state: FileLedger; readonly ledger: Ledger; readonly emit: Emit },
  uploadId: string,
  { now, dueBy, onWork, restore }: RequeueOptions,
): Promise<number> {
  let requeued = 0;
  for (let after: string | undefined; ; ) {
    const page = await context.state.listFiles(uploadId, { after, limit: PAGE, states: ["FAILED"], dueBy });
    if (page.length > 0) await onWork();
    const outcomes = await Promise.all(
      page.map(async (before) => {
        if (restore && !(await restore(before))) return 0;
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
