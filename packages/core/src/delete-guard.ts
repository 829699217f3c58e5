import type { Reason } from "./errors.ts";
import type { UploadRecord } from "./upload.ts";

/** From so many deletions on, their share counts: of three files, two may well go in a day's work. */
const SHARE_COUNTS_FROM = 10;

export interface DeleteCounts {
  /** Objects that are to be deleted, by what is recorded. */
  readonly due: number;
  /** Files that stay UPLOADED. */
  readonly uploaded: number;
}

/**
 * Whether one scan may delete so much: all that is due, or nothing. The share is due / (due + uploaded).
 *
 * | due               | share           | allowed by somebody | deletes |
 * |-------------------|-----------------|---------------------|---------|
 * | any               | any             | yes                 | all     |
 * | > `files`         | any             | no                  | nothing |
 * | ≤ `files`, < 10   | any             | no                  | all     |
 * | ≤ `files`, ≥ 10   | > `share`       | no                  | nothing |
 * | ≤ `files`, ≥ 10   | ≤ `share`       | no                  | all     |
 *
 * @param allowed somebody has said, for this once, that it is right
 * @returns why nothing is deleted; null: all may be
 */
export function guardDeletes(
  { due, uploaded }: DeleteCounts,
  { id, spec }: Pick<UploadRecord, "id" | "spec">,
  allowed: boolean,
): Reason | null {
  const { files, share } = spec.deleteLimit;
  if (allowed) return null;
  const all = due + uploaded;
  const limit =
    due > files
      ? `more than ${files} (deleteLimit.files)`
      : due >= SHARE_COUNTS_FROM && due > share * all
        ? `more than a share of ${share} (deleteLimit.share)`
        : undefined;
  if (limit === undefined) return null;
  const advice = `If the files are really gone, call check(${JSON.stringify(id)}, { allowDeletes: true }).`;
  return {
    code: "DELETE_REFUSED",
    message: `${due} of ${all} objects were to be deleted, ${limit}. None was. ${advice}`,
  };
}
