import { ListMultipartUploadsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { type Check, type Discovery, ok, problem, warning } from "../finding.ts";
import { attempt, showRefusal } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

const NAMES = ["list/a", "list/b", "list/c"] as const;

export const listingCheck: Check<BucketSession> = {
  name: "listing",
  async run(session) {
    return [await objects(session), await multiparts(session)];
  },
};

/** As `verify` lists: page by page, in the order of keys. */
async function objects(session: BucketSession): Promise<Discovery> {
  for (const name of NAMES) await session.put(name, Buffer.from(name));
  const found: string[] = [];
  let token: string | undefined;
  for (let page = 0; page <= NAMES.length; page++) {
    const input = { Bucket: session.bucket, Prefix: `${session.prefix}list/`, MaxKeys: 1, ContinuationToken: token };
    const answer = await attempt(session.client.send(new ListObjectsV2Command(input), session.options()));
    if (answer.refusal) {
      session.note("list_objects", false);
      const message = `The bucket may not be listed (${showRefusal(answer.refusal)}).`;
      return warning(message, "Grant s3:ListBucket: `verify` needs it.");
    }
    for (const { Key = "" } of answer.value.Contents ?? []) found.push(Key.slice(session.prefix.length));
    token = answer.value.NextContinuationToken;
    if (!answer.value.IsTruncated) break;
  }
  if (session.note("list_objects", found.join() === NAMES.join()))
    return ok("Objects are listed, page by page and in order.");
  return problem("ListObjectsV2 does not give the objects that were put.", "Do not trust `verify` with this store.", {
    found,
  });
}

async function multiparts(session: BucketSession): Promise<Discovery> {
  const name = "list-multipart";
  const id = await session.begin(name);
  const input = { Bucket: session.bucket, Prefix: session.prefix + name };
  const answer = await attempt(session.client.send(new ListMultipartUploadsCommand(input), session.options()));
  const isListed = answer.refusal === undefined && (answer.value.Uploads ?? []).some(({ UploadId }) => UploadId === id);
  if (session.note("list_multiparts", isListed)) return ok("Multipart uploads are listed.");
  const why = answer.refusal ? `may not be listed (${showRefusal(answer.refusal)})` : "are not listed";
  const remedy =
    "Grant s3:ListBucketMultipartUploads; otherwise have a lifecycle rule abort incomplete multipart uploads.";
  return warning(`Multipart uploads ${why}: one whose id was never learnt stays in the bucket.`, remedy);
}
