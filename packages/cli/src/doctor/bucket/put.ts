import { type Check, type Discovery, ok, problem, warning } from "../finding.ts";
import { attempt, showRefusal } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

/** One small object comes and goes. Unless both works, nothing more is put there. */
export const putCheck: Check<BucketSession> = {
  name: "put",
  async run(session) {
    const body = Buffer.from("Bucketline's doctor was here.\n");
    const put = await attempt(session.put("small", body));
    if (put.refusal) {
      session.note("put", false);
      const message = `Nothing can be put into the bucket (${showRefusal(put.refusal)}).`;
      return [problem(message, `Grant s3:PutObject on ${session.scratchFolder}* and on what you upload to.`)];
    }
    session.note("put", true);
    return [...(await look(session, body.length)), ...(await remove(session))];
  },
};

async function look(session: BucketSession, size: number): Promise<Discovery[]> {
  const head = await attempt(session.head("small"));
  if (head.refusal) {
    const message = `An object that was put cannot be looked at (${showRefusal(head.refusal)}).`;
    return [problem(message, "Grant s3:GetObject: every multipart upload is verified by HEAD.")];
  }
  if (head.value.ContentLength === size) return [ok("A small object arrives.")];
  const message = `An object of ${size} bytes has ${head.value.ContentLength ?? "an unknown number of"} bytes in the bucket.`;
  return [problem(message, "This store cannot be used: look at what stands between.")];
}

async function remove(session: BucketSession): Promise<Discovery[]> {
  const removed = await attempt(session.remove("small"));
  if (!removed.refusal) {
    session.note("delete", true);
    return [];
  }
  session.note("delete", false);
  return [
    warning(
      `Objects may not be deleted (${showRefusal(removed.refusal)}), so nothing more was put there; one small object stays.`,
      `Grant s3:DeleteObject on ${session.scratchFolder}* to have the rest checked. Uploads need it only with --on-source-delete delete.`,
    ),
  ];
}
