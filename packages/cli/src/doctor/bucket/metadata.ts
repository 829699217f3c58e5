import { randomBytes } from "node:crypto";
import { type Check, ok, problem } from "../finding.ts";
import { attempt, showRefusal } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

/** The token by which a write is known again: a doubt about a lost answer is settled by it. */
const NAME = "bucketline-token";

export const metadataCheck: Check<BucketSession> = {
  name: "metadata",
  async run(session) {
    const token = randomBytes(16).toString("hex");
    const put = await attempt(session.put("metadata", Buffer.from("x"), { Metadata: { [NAME]: token } }));
    const remedy = "This store cannot be used: what became of a write whose answer was lost could not be told.";
    if (put.refusal) {
      session.note("metadata", false);
      return [problem(`User metadata is refused (${showRefusal(put.refusal)}).`, remedy)];
    }
    const { Metadata = {} } = await session.head("metadata");
    if (session.note("metadata", Metadata[NAME] === token)) return [ok("User metadata comes back as it was.")];
    return [problem("User metadata does not come back as it was.", remedy)];
  },
};
