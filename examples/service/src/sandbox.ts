import { resolve } from "node:path";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";

type Environment = Record<string, string | undefined>;

/** Any of these says that there is an S3 of one's own. */
const OWN_BUCKET = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN"];

export function hasOwnBucket(environment: Environment): boolean {
  return OWN_BUCKET.some((name) => environment[name]);
}

/** An S3 on this machine whose objects survive restarts. */
export async function openSandbox(dataFolder: string, buckets: readonly string[], port: string): Promise<Sandbox> {
  return await startSandbox({
    storage: { directory: resolve(dataFolder, "sandbox") },
    buckets: [...buckets],
    port: Number(port),
  });
}

/** What leads every AWS tool to it. */
export function environmentOf({ endpoint, clientConfig }: Sandbox): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_S3: endpoint,
    // The same one after a restart, also at another port.
    BUCKETLINE_STORE_LOCATION: "sandbox",
    AWS_REGION: clientConfig.region,
    AWS_ACCESS_KEY_ID: clientConfig.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: clientConfig.credentials.secretAccessKey,
  };
}
