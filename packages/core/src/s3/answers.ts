import { type Checksum, crc32FromBase64 } from "../checksum.ts";
import { ObjectStoreError } from "../errors.ts";
import type { WriteReceipt } from "../ports/object-store.ts";
import type { FailedCall } from "./classify.ts";

/** What the SDK's answers to writes have in common. */
export interface WriteAnswer extends ChecksumAnswer {
  readonly ETag?: string | undefined;
  readonly VersionId?: string | undefined;
}

interface ChecksumAnswer {
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumType?: string | undefined;
}

/** The port's ETags have no quotes; the store's may. */
export function unquoteEtag(etag: string): string {
  return etag.length > 1 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;
}

/** A checksum the store reported; undefined when it is none of a full object. */
export function reportedChecksum(answer: ChecksumAnswer): Checksum | undefined {
  if (answer.ChecksumCRC32 === undefined || answer.ChecksumType === "COMPOSITE") return undefined;
  return crc32FromBase64(answer.ChecksumCRC32);
}

/**
 * A key from a listing that was asked for in URL encoding, where a space is "+". A key that cannot be decoded is none of
 * ours, and is given as it came.
 */
export function decodeKey(key: string, encoding: string | undefined): string {
  if (encoding !== "url") return key;
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    return key;
  }
}

/** The receipt of a write that succeeded. @throws ObjectStoreError `transient` when the answer has no ETag */
export function receiptOf(answer: WriteAnswer, call: FailedCall): WriteReceipt {
  if (!answer.ETag) throw senseless(call, "no ETag");
  return { etag: unquoteEtag(answer.ETag), versionId: answer.VersionId, checksum: reportedChecksum(answer) };
}

/** An answer of success that lacks what it must have, as when it carries an error the SDK did not recognise. */
export function senseless(call: FailedCall, lack: string, ambiguous = true): ObjectStoreError {
  return new ObjectStoreError({ ...call, kind: "transient", ambiguous, status: 200 }, `the answer has ${lack}.`);
}

/**
 * Where the next page of a listing begins; undefined after the last.
 * @throws ObjectStoreError `transient` when there is another page and the answer leads to it nowhere: the listing would be
 * cut short, or go round for ever
 */
export function nextPage<T extends object>(
  page: { readonly IsTruncated?: boolean | undefined },
  next: T,
  last: T | undefined,
  call: FailedCall,
): T | undefined {
  if (!page.IsTruncated) return undefined;
  const [first] = Object.values(next);
  if (!first || JSON.stringify(next) === JSON.stringify(last))
    throw senseless(call, "no place where the next page begins", false);
  return next;
}
