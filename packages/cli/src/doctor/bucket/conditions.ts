import { type Check, type Discovery, ok, warning } from "../finding.ts";
import { attempt } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

const BODY = Buffer.from("first");
const NAME = "conditions";

/** Whether a write can be made to depend on what is there, of objects in one piece and in parts. */
export const conditionCheck: Check<BucketSession> = {
  name: "conditional writes",
  async run(session) {
    const lacks = [
      ...(await ofPuts(session)),
      ...((await isCompletionGuarded(session)) ? [] : ["If-None-Match when parts are completed"]),
    ];
    if (session.note("conditional_writes", lacks.length === 0))
      return [ok("If-None-Match and If-Match hold, of puts and of completed parts.")];
    return [missing(lacks)];
  },
};

async function ofPuts(session: BucketSession): Promise<string[]> {
  const lacks: string[] = [];
  const first = await attempt(session.put(NAME, BODY, { IfNoneMatch: "*" }));
  // Where the header is refused altogether, the object has to come another way.
  const { ETag } = first.refusal ? await session.put(NAME, BODY) : first.value;
  const second = await attempt(session.put(NAME, Buffer.from("second"), { IfNoneMatch: "*" }));
  if (first.refusal || second.refusal?.status !== 412) lacks.push("If-None-Match of a put");
  const standing = second.refusal ? ETag : second.value.ETag;
  const wrong = await attempt(session.put(NAME, Buffer.from("third"), { IfMatch: OTHER_ETAG }));
  const right = await attempt(
    session.put(NAME, Buffer.from("fourth"), { IfMatch: wrong.refusal ? standing : wrong.value.ETag }),
  );
  if (wrong.refusal?.status !== 412 || right.refusal) lacks.push("If-Match of a put");
  return lacks;
}

const OTHER_ETAG = '"00000000000000000000000000000000"';

async function isCompletionGuarded(session: BucketSession): Promise<boolean> {
  const id = await session.begin(NAME);
  const { ETag } = await session.part(NAME, id, 1, BODY);
  const refused = await attempt(session.complete(NAME, id, [ETag], { IfNoneMatch: "*" }));
  return refused.refusal?.status === 412;
}

function missing(lacks: readonly string[]): Discovery {
  return warning(
    `The store does not honour ${lacks.join(", ")}.`,
    "The profile switches conditional writes off (s3.conditional_writes: false): --overwrite never cannot be used.",
    { missing: lacks },
  );
}
