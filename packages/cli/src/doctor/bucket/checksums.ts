import { createHash } from "node:crypto";
import { type Check, type Discovery, ok, problem, warning } from "../finding.ts";
import { attempt, showRefusal } from "./refusal.ts";
import { type BucketSession, crc32Header } from "./session.ts";

const BODY = Buffer.from("A body with a checksum.");
const OTHER = Buffer.from("A body with a checkSum.");

/** Whether what arrives broken is refused. Whole objects of several parts are the multipart check's. */
export const checksumCheck: Check<BucketSession> = {
  name: "checksums",
  async run(session) {
    const crc = await crcFindings(session);
    const md5 = await attempt(session.put("md5", BODY, { ContentMD5: md5Of(OTHER) }));
    const isMd5Refused = session.note("content_md5", md5.refusal !== undefined);
    if (session.capabilities.get("crc32") || isMd5Refused) return crc;
    const message = "The store takes bodies whose checksum is wrong: what is damaged on the way would not be noticed.";
    return [
      ...crc,
      problem(message, "Use another store, or an https:// endpoint, which at least notices it on the wire."),
    ];
  },
};

async function crcFindings(session: BucketSession): Promise<Discovery[]> {
  const right = await attempt(session.put("crc32", BODY, { ChecksumCRC32: crc32Header(BODY) }));
  if (right.refusal) return missing(session, `refuses checksum headers (${showRefusal(right.refusal)})`);
  const wrong = await attempt(session.put("crc32-wrong", BODY, { ChecksumCRC32: crc32Header(OTHER) }));
  if (!wrong.refusal) return missing(session, "does not look at checksum headers");
  const head = await attempt(session.head("crc32", { ChecksumMode: "ENABLED" }));
  const { ChecksumCRC32, ChecksumType } = head.value ?? {};
  if (ChecksumCRC32 !== crc32Header(BODY) || ChecksumType === "COMPOSITE")
    return missing(session, "does not keep the checksum of an object");
  session.note("crc32", true);
  return [ok("CRC32 is checked when a body arrives, and kept.")];
}

function missing(session: BucketSession, how: string): Discovery[] {
  session.note("crc32", false);
  return [checksumWarning(how)];
}

export function checksumWarning(how: string): Discovery {
  return warning(
    `The store ${how}.`,
    "The profile switches to Content-MD5 (s3.checksums: none); no checksum of the whole object is then compared.",
  );
}

function md5Of(body: Uint8Array): string {
  return createHash("md5").update(body).digest("base64");
}
