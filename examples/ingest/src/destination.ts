import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { startSandbox } from "@bucketline/s3-sandbox";

/** Where the objects go. */
export interface Destination {
  /** For people. */
  readonly name: string;
  readonly bucket: string;
  /** Whether the objects outlive a sandbox that was made for one run. */
  readonly own: boolean;
  /** For any S3 client. */
  readonly client: S3ClientConfig;
  close(): Promise<void>;
}

/** @throws SandboxError when the sandbox's folder is in use or damaged */
export async function openDestination(ownBucket: string | undefined, sandboxFolder: string): Promise<Destination> {
  if (ownBucket !== undefined)
    return { name: `s3://${ownBucket}`, bucket: ownBucket, own: true, client: ownClient(), close: async () => {} };
  const bucket = "ingest";
  const sandbox = await startSandbox({ storage: { directory: sandboxFolder }, buckets: [bucket] });
  const name = `s3://${bucket} of a sandbox on this machine`;
  return { name, bucket, own: false, client: sandbox.clientConfig, close: () => sandbox.close() };
}

/** Region and credentials are found by the AWS SDK. Stores of one's own seldom have a host name per bucket. */
function ownClient(): S3ClientConfig {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  return AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL ? { forcePathStyle: true } : {};
}
