import { uploadView } from "@bucketline/http/views";
import { withService } from "../assembly/service.ts";
import type { Context } from "../context.ts";
import { printable } from "../output/printable.ts";

/** Ends an upload for good, and aborts its multipart uploads in the bucket. */
export async function run(context: Context, { id }: { readonly id: string }): Promise<undefined> {
  await withService(context, { bucket: true, makesLedger: false }, async (service) => {
    const upload = await service.cancel(id);
    context.output.record(uploadView(upload));
    context.output.line(`Cancelled ${printable(upload.id)}.`);
  });
}
