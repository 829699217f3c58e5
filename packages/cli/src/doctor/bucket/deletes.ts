import { type Check, ok, warning } from "../finding.ts";
import { attempt, showRefusal } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

const NAME = "delete";
const OTHER_ETAG = '"00000000000000000000000000000000"';

/** Whether an object can be deleted only while it is the one that is meant, as --on-source-delete does. */
export const deleteCheck: Check<BucketSession> = {
  name: "conditional deletes",
  async run(session) {
    const { ETag } = await session.put(NAME, Buffer.from("x"));
    const wrong = await attempt(session.remove(NAME, { IfMatch: OTHER_ETAG }));
    const right = await attempt(session.remove(NAME, { IfMatch: ETag }));
    if (wrong.refusal?.status === 412 && !right.refusal) {
      session.note("conditional_deletes", true);
      return [ok("If-Match of a delete holds.")];
    }
    session.note("conditional_deletes", false);
    const how = right.refusal
      ? `refuses If-Match of a delete (${showRefusal(right.refusal)})`
      : "does not look at If-Match of a delete";
    const protection =
      "With --on-source-delete delete a HEAD right before the delete is all that protects an object that somebody replaces in that moment.";
    if (!right.refusal) return [warning(`The store ${how}.`, protection)];
    // Every delete that is sent as conditional would fail, and both go by one setting.
    session.note("conditional_writes", false);
    const remedy = `The profile switches conditional writes off (s3.conditional_writes: false): --overwrite never cannot be used. ${protection}`;
    return [warning(`The store ${how}.`, remedy)];
  },
};
