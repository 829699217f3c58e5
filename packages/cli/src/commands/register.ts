import type { RegisterOptions } from "@bucketline/core";
import { registerOptions } from "../assembly/registration.ts";
import { withService } from "../assembly/service.ts";
import { readDuration } from "../config/values.ts";
import type { Context } from "../context.ts";
import { codeOf } from "../errors.ts";
import { printable } from "../output/printable.ts";
import type { UploadArguments } from "../program/upload-options.ts";

interface RegisterArguments extends UploadArguments {
  readonly folder: string;
  readonly destination: string;
  readonly id?: string;
  readonly mode?: "watch" | "once";
  readonly schedule?: string;
  readonly boundTo?: string;
  readonly maxUnstableAge?: number;
}

/** Records an upload; services that share the ledger begin with it at once. */
export async function run(context: Context, args: RegisterArguments): Promise<undefined> {
  const options = optionsOf(args, context.folder);
  await withService(context, { bucket: true, makesLedger: true }, async (service) => {
    const existed = args.id !== undefined && (await isKnown(service.get(args.id)));
    // Its own warnings have no listener here: an unreachable bucket is no error of a registration.
    service.on("warning", ({ code, message }) => context.output.note(`${code}: ${printable(message)}`));
    const upload = await service.register(options, { signal: context.signal });
    context.output.record({ upload_id: upload.id, status: existed ? "exists" : "created" });
    context.output.line(`${existed ? "Was registered before" : "Registered"}: ${printable(upload.id)}`);
  });
}

function optionsOf({ folder, destination, ...args }: RegisterArguments, workingFolder: string): RegisterOptions {
  const { id, mode, schedule, boundTo, maxUnstableAge } = args;
  return {
    ...registerOptions(args, folder, destination, workingFolder),
    ...(id !== undefined && { id }),
    ...(mode !== undefined && { mode }),
    ...(schedule !== undefined && { schedule: scheduleOf(schedule) }),
    ...(boundTo !== undefined && { host: boundTo }),
    ...(maxUnstableAge !== undefined && { maxUnstableAge }),
  };
}

/** Five or six words are a cron expression, and so is `@daily`; the library judges it. */
function scheduleOf(text: string): number | string {
  return /^\d+(\.\d+)?\s*[a-z]*$/i.test(text.trim()) ? readDuration(text) : text;
}

async function isKnown(upload: Promise<unknown>): Promise<boolean> {
  try {
    await upload;
    return true;
  } catch (error) {
    if (codeOf(error) === "UPLOAD_NOT_FOUND") return false;
    throw error;
  }
}
