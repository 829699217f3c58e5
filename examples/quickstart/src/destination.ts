import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { DEFAULT_REQUEST_LIMIT, type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import type { Plan } from "./plan.ts";

/** Where the objects go. */
export interface Destination {
  /** For any S3 client. */
  readonly client: S3ClientConfig;
  readonly sandbox: Sandbox | undefined;
  close(): Promise<void>;
}

/** @throws SandboxError when the sandbox's folder is in use or damaged */
export async function openDestination(plan: Plan): Promise<Destination> {
  if (plan.own) return { client: ownClient(), sandbox: undefined, close: async () => {} };
  const sandbox = await startSandbox({ storage: { directory: plan.sandboxFolder }, buckets: [plan.bucket] });
  return { client: sandbox.clientConfig, sandbox, close: () => sandbox.close() };
}

/** The SDK finds everything in the environment and the shared files, except for what other S3 stores and tools expect. */
function ownClient(): S3ClientConfig {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const region = AWS_REGION || AWS_DEFAULT_REGION;
  return {
    ...(region && { region }),
    // Stores of one's own seldom have a host name per bucket.
    ...((AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL) && { forcePathStyle: true }),
  };
}

export interface Traffic {
  /** Requests that carried bytes of files. */
  readonly requests: number;
  readonly bytes: number;
  /** The sandbox remembers no more requests than these, so there may have been more. */
  readonly atLeast: boolean;
}

/** What the sandbox itself has seen arrive since it was started. */
export function trafficOf(sandbox: Sandbox): Traffic {
  const bodies = sandbox.requests.filter(({ operation, payloadBytes, committed }) => {
    const carriesFile = operation === "PutObject" || operation === "UploadPart";
    return carriesFile && (payloadBytes > 0 || committed);
  });
  return {
    requests: bodies.length,
    bytes: bodies.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    atLeast: sandbox.requests.length >= DEFAULT_REQUEST_LIMIT,
  };
}
