import { createHash } from "node:crypto";
import { HttpError } from "./errors.ts";

const DIGEST_BYTES = 9;

/**
 * Names the place in a list after which the next page begins.
 * @param list what the cursor belongs to: the list and its filters; it is refused anywhere else
 * @param after the last item of the page
 */
export function cursorFor(list: readonly unknown[], after: string): string {
  return Buffer.concat([digest(list, after), Buffer.from(after)]).toString("base64url");
}

/** @throws HttpError `INVALID_REQUEST` for anything that `cursorFor` has not made for this very list */
export function afterCursor(list: readonly unknown[], cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const bytes = Buffer.from(cursor, "base64url");
  const after = bytes.subarray(DIGEST_BYTES).toString();
  if (cursorFor(list, after) !== cursor)
    throw new HttpError(
      "INVALID_REQUEST",
      "query.cursor is not a next_cursor of this list with these filters. Start again without a cursor.",
    );
  return after;
}

function digest(list: readonly unknown[], after: string): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([list, after]))
    .digest()
    .subarray(0, DIGEST_BYTES);
}
