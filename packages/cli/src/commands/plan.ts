import type { Context } from "../context.ts";
import { type ExitCode, UsageError } from "../errors.ts";
import type { UploadArguments } from "../program/upload-options.ts";
import { foretell } from "../transfer/foretelling.ts";
import { uploadOf } from "../transfer/identity.ts";

interface PlanArguments extends UploadArguments {
  readonly upload: string;
  readonly destination?: string;
}

/** Says what a scan of an upload, or a sync of a folder, would do. */
export async function run(context: Context, { upload, destination, ...options }: PlanArguments): Promise<ExitCode> {
  if (destination !== undefined)
    return await foretell(context, uploadOf(context, { ...options, folder: upload, destination }));
  if (Object.values(options).some((value) => value !== undefined))
    throw new UsageError("An upload has its settings already: give options only with a folder and a destination.");
  return await foretell(context, upload);
}
