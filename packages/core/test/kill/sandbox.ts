// The sandbox in a process of its own, so that it outlives the uploaders. Prints its client configuration.

import { startSandbox } from "@bucketline/s3-sandbox";
import type { SandboxOrder } from "./trial.ts";

const { directory, requestLog, bucket, unanswered } = JSON.parse(process.argv[2] ?? "") as SandboxOrder;
const sandbox = await startSandbox({ storage: { directory }, requestLog, buckets: [bucket] });
for (const matching of unanswered) sandbox.fault({ ...matching, action: { type: "silence", commit: true } });
process.stdout.write(`${JSON.stringify(sandbox.clientConfig)}\n`);
