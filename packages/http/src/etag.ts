import { type ChangeOptions, type Upload, UploadError, type UploadRecord } from "@bucketline/core";
import { digestOf } from "./digest.ts";
import { HttpError } from "./errors.ts";

type Tagged = Pick<UploadRecord, "id" | "state" | "spec">;

const TAG_LENGTH = 22;

/**
 * The entity tag of an upload: of its state and its settings. Its revision will not do, as it goes up with every scan, too, and whoever
 * thinks for a minute about an upload that is watched would always come too late.
 */
export function etagOf({ state, spec }: Omit<Tagged, "id">): string {
  return `"${digestOf({ state, spec }).slice(0, TAG_LENGTH)}"`;
}

/** One entity tag, weak or strong (RFC 9110, 8.8.3). */
const TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/**
 * Makes a change of the upload only while If-Match names it, whichever process changes it at the same moment.
 * @param header If-Match; undefined: whatever the upload is like
 * @throws HttpError `PRECONDITION_FAILED`, `INVALID_REQUEST` · what `read` and `make` throw
 */
export async function changeMatched(
  header: string | undefined,
  read: () => Promise<Upload>,
  make: (options: ChangeOptions) => Promise<Upload>,
): Promise<Upload> {
  if (header === undefined) return await make({});
  for (;;) {
    const upload = await read();
    refuseUnlessMatched(header, upload);
    try {
      return await make({ revision: upload.revision });
    } catch (error) {
      // A scan may have come in between, after which the tag still stands.
      if (!(error instanceof UploadError && error.code === "UPLOAD_CHANGED")) throw error;
    }
  }
}

/** Compares strongly, so that a weak tag never matches (RFC 9110, 13.1.1). */
function refuseUnlessMatched(header: string, upload: Tagged): void {
  const value = header.trim();
  if (value === "*") return;
  const tags = value.split(",").map((tag) => tag.trim());
  if (!tags.every((tag) => TAG.test(tag)))
    throw new HttpError("INVALID_REQUEST", 'headers.if-match must be "*" or entity tags in double quotes.');
  const current = etagOf(upload);
  if (tags.includes(current)) return;
  const weak = tags.includes(`W/${current}`) ? " A weak tag never matches." : "";
  throw new HttpError(
    "PRECONDITION_FAILED",
    `Upload ${upload.id} is at ${current}, not at what If-Match names.${weak}`,
  );
}
