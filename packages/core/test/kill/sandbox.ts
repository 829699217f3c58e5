// The sandbox in a process of its own, so that it outlives the uploaders. Prints its client configuration.

import { openSync, writeSync } from "node:fs";
import { type FaultCall, type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import type { HeaderNote } from "./requests.ts";
import type { SandboxOrder } from "./trial.ts";

const order = JSON.parse(process.argv[2] ?? "") as SandboxOrder;
const { directory, requestLog, bucket, minPartSize } = order;
const storage = directory === undefined ? "memory" : { directory };
const sandbox = await startSandbox({ storage, requestLog, buckets: [bucket], ...(minPartSize && { minPartSize }) });
for (const matching of order.unanswered ?? [])
  sandbox.fault({ ...matching, action: { type: "silence", commit: true } });
if (order.headerNotes !== undefined) noteHeaders(sandbox, order.headerNotes);
process.stdout.write(`${JSON.stringify(sandbox.clientConfig)}\n`);

/** Writes down what the log does not have, before the request is carried out. */
function noteHeaders(from: Sandbox, path: string): void {
  const file = openSync(path, "a", 0o600);
  const action = (call: FaultCall) => {
    writeSync(file, `${JSON.stringify(noteOf(from, call))}\n`);
    return undefined;
  };
  from.fault({ times: Number.POSITIVE_INFINITY, action });
}

function noteOf(from: Sandbox, { n, headers, uploadId }: FaultCall): HeaderNote {
  const crc32 = headers.get("x-amz-checksum-crc32");
  const size = headers.get("x-amz-mp-object-size");
  const upload = uploadId && from.multipartUploads(bucket).find((one) => one.uploadId === uploadId);
  const token = upload ? upload.metadata["bucketline-token"] : headers.get("x-amz-meta-bucketline-token");
  return {
    n,
    sender: /\bsender-\d+\b/.exec(headers.get("user-agent") ?? "")?.[0] ?? "",
    ...(crc32 && { crc32: Buffer.from(crc32, "base64").toString("hex") }),
    ...(size && { size: Number(size) }),
    ...(token && { token }),
  };
}
