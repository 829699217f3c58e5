import { uploadView } from "@bucketline/http/views";
import { withService } from "../assembly/service.ts";
import type { Context } from "../context.ts";
import { printable } from "../output/printable.ts";

/** Goes on with a paused upload: a service that shares the ledger does, or the next one. */
export async function run(context: Context, { id }: { readonly id: string }): Promise<undefined> {
  await withService(context, { bucket: false, makesLedger: false }, async (service) => {
    const upload = await service.resume(id);
    context.output.record(uploadView(upload));
    context.output.line(`Resumed ${printable(upload.id)}.`);
  });
}
