import { createHash } from "node:crypto";
import { type Check, type Discovery, ok, problem } from "../finding.ts";
import { checksumWarning } from "./checksums.ts";
import { attempt, showRefusal } from "./refusal.ts";
import { type BucketSession, crc32Header } from "./session.ts";

const MINIMUM = 5 * 1024 ** 2;
const PARTS = [Buffer.alloc(MINIMUM, "Bucketline "), Buffer.from("the end")] as const;
const WHOLE = Buffer.concat(PARTS);
const NAME = "multipart";

/** An object in parts from its beginning to its end, as uploads send it; without checksums when it does not work with them. */
export const multipartCheck: Check<BucketSession> = {
  name: "multipart",
  async run(session) {
    if (!session.capabilities.get("crc32")) return await plainFindings(session);
    const lack = await sendWithChecksums(session);
    if (lack === undefined) {
      session.note("multipart", true);
      return [
        ok("An object in parts of 5 MiB arrives with the CRC32 of the whole."),
        ...(await listed(session, "crc32")),
      ];
    }
    session.note("crc32", false);
    return [checksumWarning(lack), ...(await plainFindings(session))];
  },
};

/** @returns what the store does not do, of the checksums */
async function sendWithChecksums(session: BucketSession): Promise<string | undefined> {
  const begun = await attempt(session.begin(NAME, { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" }));
  if (begun.refusal) return `refuses checksums of whole objects in parts (${showRefusal(begun.refusal)})`;
  const checksums = PARTS.map(crc32Header);
  const etags: (string | undefined)[] = [];
  for (const [index, body] of PARTS.entries()) {
    const sent = await attempt(
      session.part(NAME, begun.value, index + 1, body, { ChecksumCRC32: checksums[index] ?? "" }),
    );
    if (sent.refusal) return `refuses checksums of parts (${showRefusal(sent.refusal)})`;
    etags.push(sent.value.ETag);
  }
  const whole = {
    ChecksumType: "FULL_OBJECT",
    ChecksumCRC32: crc32Header(WHOLE),
    MpuObjectSize: WHOLE.length,
  } as const;
  const completed = await attempt(session.complete(NAME, begun.value, etags, whole, checksums));
  if (completed.refusal) return `refuses the checksum of the whole (${showRefusal(completed.refusal)})`;
  const { ChecksumCRC32, ChecksumType } = await session.head(NAME, { ChecksumMode: "ENABLED" });
  return ChecksumCRC32 === crc32Header(WHOLE) && ChecksumType !== "COMPOSITE"
    ? undefined
    : "does not keep the checksum of a whole object in parts";
}

async function plainFindings(session: BucketSession): Promise<Discovery[]> {
  const sent = await attempt(sendPlain(session));
  if (sent.refusal) {
    session.note("multipart", false);
    const message = `An object in parts is refused (${showRefusal(sent.refusal)}).`;
    return [problem(message, "Files above the chunk size cannot be sent: look at permissions, or use another store.")];
  }
  const { ContentLength } = await session.head(NAME);
  if (session.note("multipart", ContentLength === WHOLE.length))
    return [ok("An object in parts of 5 MiB arrives."), ...(await listed(session, "none"))];
  const message = `An object in parts of ${WHOLE.length} bytes has ${ContentLength ?? "an unknown number of"} bytes in the bucket.`;
  return [problem(message, "This store cannot be used for files above the chunk size.")];
}

async function sendPlain(session: BucketSession): Promise<void> {
  const id = await session.begin(NAME);
  const etags: (string | undefined)[] = [];
  for (const [index, body] of PARTS.entries()) {
    const ContentMD5 = createHash("md5").update(body).digest("base64");
    etags.push((await session.part(NAME, id, index + 1, body, { ContentMD5 })).ETag);
  }
  await session.complete(NAME, id, etags, { MpuObjectSize: WHOLE.length });
}

const SMALL = [Buffer.from("one"), Buffer.from("two"), Buffer.from("three")] as const;

/** Whether a transfer that was interrupted can be gone on with: all parts are listed, page by page. */
async function listed(session: BucketSession, mode: "crc32" | "none"): Promise<Discovery[]> {
  const withChecksums = mode === "crc32";
  const name = "parts";
  const id = await session.begin(
    name,
    withChecksums ? { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" } : {},
  );
  const sent: string[] = [];
  for (const [index, body] of SMALL.entries()) {
    const extra = withChecksums ? { ChecksumCRC32: crc32Header(body) } : {};
    const { ETag } = await session.part(name, id, index + 1, body, extra);
    sent.push(`${index + 1} ${body.length} ${ETag} ${withChecksums ? crc32Header(body) : ""}`);
  }
  const found: string[] = [];
  let marker: string | undefined;
  // One page more than there are parts: a store that goes round would never come to an end.
  for (let page = 0; page <= SMALL.length; page++) {
    const answer = await attempt(session.listParts(name, id, { MaxParts: 1, PartNumberMarker: marker }));
    if (answer.refusal) {
      session.note("list_parts", false);
      const message = `Parts may not be listed (${showRefusal(answer.refusal)}).`;
      return [problem(message, "Grant s3:ListMultipartUploadParts: an interrupted transfer fails without it.")];
    }
    for (const { PartNumber, Size, ETag, ChecksumCRC32 = "" } of answer.value.Parts ?? [])
      found.push(`${PartNumber} ${Size} ${ETag} ${withChecksums ? ChecksumCRC32 : ""}`);
    marker = answer.value.NextPartNumberMarker;
    if (!answer.value.IsTruncated) break;
  }
  if (session.note("list_parts", found.join() === sent.join()))
    return [ok(`Its parts are listed${withChecksums ? " with their checksums" : ""}, page by page.`)];
  const remedy = "Interrupted transfers of this store cannot be gone on with safely. Use another one.";
  return [
    problem("ListParts does not give the parts that were sent.", remedy, { sent: sent.length, found: found.length }),
  ];
}
