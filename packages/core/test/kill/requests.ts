import type { RequestRecord } from "@bucketline/s3-sandbox";

/** What the headers of a request said. */
export interface HeaderNote {
  /** As in the request log. */
  readonly n: number;
  /** The process that sent it. */
  readonly sender: string;
  /** CRC32 of the body, or of the whole object that a Complete makes, in hexadecimal. The sandbox holds the bytes against it. */
  readonly crc32?: string;
  /** Bytes of the object that a Complete makes. */
  readonly size?: number;
  /** Names the bytes that are meant: of a put, or of the multipart upload that is spoken of. */
  readonly token?: string;
}

export type Request = RequestRecord & HeaderNote;

export function joinNotes(records: readonly RequestRecord[], notes: readonly HeaderNote[]): Request[] {
  const byNumber = new Map(notes.map((note) => [note.n, note]));
  return records.map((record) => ({ sender: "", ...record, ...byNumber.get(record.n) }));
}

/** An object that became visible: its key, and the content's version as `versionOf` writes it. */
export interface Appearance {
  readonly key: string;
  readonly version: string;
}

export function readAppearances(requests: readonly Request[]): Appearance[] {
  return requests.flatMap(({ operation, committed, key = "", crc32, size, payloadBytes }) => {
    if (!committed || (operation !== "PutObject" && operation !== "CompleteMultipartUpload")) return [];
    return [{ key, version: `${crc32}:${operation === "PutObject" ? payloadBytes : size}` }];
  });
}

/** Keys whose multipart uploads have begun and have neither been completed nor aborted. */
export function readSending(records: readonly RequestRecord[]): Set<string> {
  const open = new Map<string, number>();
  for (const { operation, committed, key = "" } of records) {
    if (!committed) continue;
    const change = OPENING[operation] ?? 0;
    if (change !== 0) open.set(key, (open.get(key) ?? 0) + change);
  }
  return new Set([...open].filter(([, count]) => count > 0).map(([key]) => key));
}

const OPENING: Readonly<Record<string, number>> = {
  CreateMultipartUpload: 1,
  CompleteMultipartUpload: -1,
  AbortMultipartUpload: -1,
};

/** What was stored a second time although it was meant to be the same bytes. */
export interface Repeats {
  /** By a process that had stored it itself, or could have known, or did not ask. */
  readonly needless: readonly string[];
  /** The first request outlived its sender: it was stored only after the second process had asked. In flight at the kill. */
  readonly overlapped: readonly string[];
}

/** @param requests in the order in which they finished */
export function readRepeats(requests: readonly Request[]): Repeats {
  const first = new Map<string, { readonly request: Request; readonly position: number }>();
  const needless: string[] = [];
  const overlapped: string[] = [];
  for (const [position, request] of requests.entries()) {
    const name = bytesMeant(request);
    if (name === undefined) continue;
    const earlier = first.get(name);
    if (!earlier) {
      first.set(name, { request, position });
      continue;
    }
    const asked = requests.findLastIndex((other) => asksFor(other, request));
    const unknowable = request.sender !== earlier.request.sender && asked >= 0 && asked < earlier.position;
    (unknowable ? overlapped : needless).push(name);
  }
  return { needless, overlapped };
}

/** A token names what a file looked like; what is rewritten while it is read may give other bytes under the same token. */
function bytesMeant({ operation, committed, key, token, partNumber, crc32 }: Request): string | undefined {
  if (!committed || (operation !== "PutObject" && operation !== "UploadPart")) return undefined;
  const bytes = `${token}, CRC32 ${crc32}`;
  return operation === "PutObject" ? `${key} as ${bytes}` : `part ${partNumber} of ${key} as ${bytes}`;
}

/** Whether this is how the sender of the bytes asked, before it sent them, whether they are there. */
function asksFor(question: Request, { operation, sender, n, key, uploadId }: Request): boolean {
  if (question.sender !== sender || question.n > n || question.key !== key) return false;
  if (operation === "PutObject") return question.operation === "HeadObject";
  return question.operation === "ListParts" && question.uploadId === uploadId;
}
