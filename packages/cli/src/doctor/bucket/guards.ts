import { type Check, type Discovery, ok, problem, warning } from "../finding.ts";
import { attempt } from "./refusal.ts";
import { type BucketSession, crc32Header } from "./session.ts";

const BODY = Buffer.from("a part");
const OTHER = Buffer.from("a pArt");

/** Whether the store refuses to put together what is not whole, and forgets what is aborted. */
export const guardCheck: Check<BucketSession> = {
  name: "multipart guards",
  async run(session) {
    if (!session.capabilities.get("multipart")) return [];
    return [
      ...(session.capabilities.get("crc32") ? await ofPart(session) : []),
      await ofSize(session),
      await ofSmallParts(session),
      await ofAbort(session),
    ];
  },
};

async function ofPart(session: BucketSession): Promise<Discovery[]> {
  const name = "guard-part";
  const id = await session.begin(name, { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
  const wrong = await attempt(session.part(name, id, 1, BODY, { ChecksumCRC32: crc32Header(OTHER) }));
  if (session.note("part_checksums", wrong.refusal !== undefined)) return [];
  session.note("crc32", false);
  const remedy = "The profile switches to Content-MD5 (s3.checksums: none).";
  return [warning("The store takes parts whose checksum is wrong.", remedy)];
}

async function ofSize(session: BucketSession): Promise<Discovery> {
  const name = "guard-size";
  const id = await session.begin(name);
  const { ETag } = await session.part(name, id, 1, BODY);
  const wrong = await attempt(session.complete(name, id, [ETag], { MpuObjectSize: BODY.length + 1 }));
  if (session.note("object_size", wrong.refusal !== undefined))
    return ok("A completed object of another size is refused.");
  return ok("The store does not look at the size that a completed object must have; HEAD is asked in any case.");
}

async function ofSmallParts(session: BucketSession): Promise<Discovery> {
  const name = "guard-minimum";
  const id = await session.begin(name);
  const etags = [(await session.part(name, id, 1, BODY)).ETag, (await session.part(name, id, 2, BODY)).ETag];
  const completed = await attempt(session.complete(name, id, etags));
  const isRefused = session.note("minimum_part_size", completed.refusal !== undefined);
  return ok(
    isRefused
      ? "Parts below 5 MiB are refused, as S3 does; none is sent."
      : "Parts below 5 MiB are taken; none is sent.",
  );
}

async function ofAbort(session: BucketSession): Promise<Discovery> {
  const name = "guard-abort";
  const id = await session.begin(name);
  await session.part(name, id, 1, BODY);
  const aborted = await attempt(session.abort(name, id));
  if (aborted.refusal) {
    session.note("abort", false);
    const remedy = "Grant s3:AbortMultipartUpload: what is cancelled or has changed would stay, and be paid for.";
    return problem("A multipart upload may not be aborted.", remedy, { code: aborted.refusal.code });
  }
  const left = await attempt(session.listParts(name, id));
  if (session.note("abort", left.refusal?.status === 404)) {
    session.multiparts.delete(id);
    return ok("An aborted multipart upload is gone.");
  }
  const remedy = "Have a lifecycle rule abort incomplete multipart uploads; cancelling will warn that parts remain.";
  return warning("ListParts still knows a multipart upload that was aborted.", remedy);
}
