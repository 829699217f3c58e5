import { uploadView } from "@bucketline/http/views";
import { withService } from "../assembly/service.ts";
import type { Context } from "../context.ts";
import { printable } from "../output/printable.ts";

/** Stops the transfers of an upload, here and in every service that shares the ledger, until it is resumed. */
export async function run(context: Context, { id }: { readonly id: string }): Promise<undefined> {
  await withService(context, { bucket: false, makesLedger: false }, async (service) => {
    const upload = await service.pause(id);
    context.output.record(uploadView(upload));
    context.output.line(`Paused ${printable(upload.id)}.`);
  });
}
