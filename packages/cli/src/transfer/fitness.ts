import type { Upload } from "@bucketline/core";
import { CommandError, EXIT } from "../errors.ts";
import { printable } from "../output/printable.ts";

/** @throws CommandError when the upload is paused or cancelled: nothing of it is sent */
export function refuseUnfit({ id, state }: Upload): void {
  const name = printable(id);
  if (state === "PAUSED")
    throw new CommandError("INVALID_TRANSITION", EXIT.usage, `Upload ${name} is paused.`, {
      remedy: `bucketline resume ${name} lets it go on.`,
    });
  if (state === "CANCELLED")
    throw new CommandError("UPLOAD_CANCELLED", EXIT.usage, `Upload ${name} was cancelled, which is final.`, {
      remedy: "Give it another name with --id to begin anew.",
    });
}
