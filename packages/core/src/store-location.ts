import { UploadError } from "./errors.ts";
import { isAtHome, type UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

/** @throws UploadError `UPLOAD_OTHER_STORE` unless the upload's objects are in the object store at this location */
export function refuseOtherStore(upload: UploadRecord, location: string): UploadRecord {
  const { storeLocation = location } = upload.spec;
  if (storeLocation === location) return upload;
  throw new UploadError(
    "UPLOAD_OTHER_STORE",
    `The objects of upload ${JSON.stringify(upload.id)} are in the object store ${storeLocation}; this one is ${location}. Nothing was done.`,
  );
}

/**
 * Claims every upload that a starting service may work on without being asked, before it touches any.
 * @throws UploadError `UPLOAD_OTHER_STORE`
 */
export async function claimUploads(uploads: Pick<Uploads, "claim" | "inStates">, host: string): Promise<void> {
  for await (const upload of uploads.inStates({}))
    if (isAtHome(upload, host) && !isAtRest(upload)) await uploads.claim(upload.id);
}

/** Nothing of it is touched before somebody asks for it by its id. */
function isAtRest({ state, spec, cleanupDue }: UploadRecord): boolean {
  if (state === "CANCELLED") return !cleanupDue;
  return state === "COMPLETED" && (spec.mode === "once" || spec.schedule === "manual");
}
