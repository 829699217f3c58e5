import type { RequestRecord } from "@bucketline/s3-sandbox";

/** What the request log says about what was sent. Every figure comes from the sandbox, none from the uploader. */
export interface Sendings {
  /** Bytes of files and parts that arrived, those of requests that were cut off included. */
  readonly bytes: number;
  /** Requests with a body that were cut off. */
  readonly cut: number;
  /** Files and parts stored again although the process could have known, or was never killed in between. */
  readonly needless: readonly string[];
  /** Files and parts stored again because the first request outlived its sender and was stored after the next had asked. */
  readonly overlapped: readonly string[];
  /** How many multipart uploads were begun, and the ids of those that got parts, were completed, were aborted. */
  readonly begun: number;
  readonly filled: readonly string[];
  readonly completed: readonly string[];
  readonly aborted: readonly string[];
}

/** @param records finished requests in the order in which they finished */
export function readSendings(records: readonly RequestRecord[]): Sendings {
  const bodies = records.filter(carriesFile);
  const idsOf = (operation: RequestRecord["operation"]) => [
    ...new Set(records.filter((r) => r.operation === operation && r.committed).map((r) => r.uploadId ?? "")),
  ];
  return {
    bytes: bodies.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    cut: bodies.filter((record) => !record.committed).length,
    ...readRepeats(records),
    begun: records.filter((r) => r.operation === "CreateMultipartUpload" && r.committed).length,
    filled: idsOf("UploadPart"),
    completed: idsOf("CompleteMultipartUpload"),
    aborted: idsOf("AbortMultipartUpload"),
  };
}

function carriesFile({ operation }: RequestRecord): boolean {
  return operation === "PutObject" || operation === "UploadPart";
}

function readRepeats(records: readonly RequestRecord[]): Pick<Sendings, "needless" | "overlapped"> {
  const stored = new Map<string, { readonly record: RequestRecord; readonly position: number }>();
  const needless: string[] = [];
  const overlapped: string[] = [];
  for (const [position, record] of records.entries()) {
    if (!carriesFile(record) || !record.committed) continue;
    const name = thing(record);
    const first = stored.get(name);
    stored.set(name, { record, position });
    if (!first) continue;
    const asks = question(record);
    // `n` counts arrivals: the question came in after the first sending, and was answered before that was stored.
    const outlived = records.slice(0, first.position).some((other) => asks(other) && other.n > first.record.n);
    (outlived ? overlapped : needless).push(name);
  }
  return { needless, overlapped };
}

function thing({ operation, key, uploadId, partNumber }: RequestRecord): string {
  return operation === "PutObject" ? `${key}` : `part ${partNumber} of ${uploadId}`;
}

/** How a process asks whether something has been stored before it sends it: HEAD for a file, ListParts for a part. */
function question(sending: RequestRecord): (record: RequestRecord) => boolean {
  if (sending.operation === "PutObject")
    return ({ operation, key }) => operation === "HeadObject" && key === sending.key;
  return ({ operation, uploadId }) => operation === "ListParts" && uploadId === sending.uploadId;
}
