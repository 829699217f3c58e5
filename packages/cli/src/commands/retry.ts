import { withService } from "../assembly/service.ts";
import type { Context } from "../context.ts";
import { printable } from "../output/printable.ts";
import { count } from "../output/quantities.ts";

/** Queues the failed files of an upload again: a service that shares the ledger sends them, or the next one. */
export async function run(context: Context, { id }: { readonly id: string }): Promise<undefined> {
  await withService(context, { bucket: false, makesLedger: false }, async (service) => {
    const files = await service.retry(id);
    context.output.record({ upload_id: id, requeued_files: files });
    context.output.line(`Queued ${count(files, "file")} of ${printable(id)} again.`);
  });
}
