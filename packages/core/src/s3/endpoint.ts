import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { Header, SigningScope } from "./signature.ts";

/** Where and how the objects of one bucket are written. */
export interface BucketTarget {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Whether TLS protects the way there. */
  readonly secure: boolean;
  /** What the encoded key is appended to; ends with "/". */
  readonly basePath: string;
  /** Headers that every request has, `host` among them. */
  readonly headers: readonly Header[];
  readonly scope: SigningScope;
}

/** What the SDK hands to its HTTP handler. */
interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Made anew for every request. */
const PER_REQUEST: ReadonlySet<string> = new Set(
  (
    "authorization x-amz-date x-amz-content-sha256 x-amz-security-token content-length content-type " +
    "amz-sdk-invocation-id amz-sdk-request x-amzn-trace-id"
  ).split(" "),
);

/** Any key will do: where a request goes depends on the bucket alone. */
const SAMPLE_KEY = "k";

/**
 * Lets the SDK prepare a PutObject that is not sent, and reads from it where the bucket's requests go and what they are
 * signed for. So every rule about endpoints (regions, path style, dual stack, FIPS, acceleration, access points,
 * environment and profile) is the SDK's own.
 *
 * @returns undefined when requests to this bucket are not signed with plain SigV4, as those of directory buckets and
 * multi-region access points, when the clock must not be corrected, or when something else answers for the SDK
 * @throws what the SDK throws, as for a bucket name that cannot be, a missing region or missing credentials
 */
export async function resolveTarget(client: S3Client, bucket: string): Promise<BucketTarget | undefined> {
  if (/--xa?-s3$/.test(bucket)) return undefined;
  if (await client.config.disableClockSkewCorrection?.()) return undefined;
  const prepared = await prepare(client, bucket);
  if (!prepared) return undefined;
  const { protocol, hostname, port, path, headers } = prepared;
  const [, region, service] = /^AWS4-HMAC-SHA256 .*\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request,/.exec(
    headers.authorization ?? "",
  ) ?? [undefined, undefined, undefined];
  if (region === undefined || service === undefined || !path.endsWith(`/${SAMPLE_KEY}`)) return undefined;
  return {
    origin: `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`,
    secure: protocol === "https:",
    basePath: path.slice(0, -SAMPLE_KEY.length),
    headers: Object.entries(headers).filter(([name]) => !PER_REQUEST.has(name)),
    scope: { region, service },
  };
}

async function prepare(client: S3Client, bucket: string): Promise<SdkRequest | undefined> {
  const command = new PutObjectCommand({ Bucket: bucket, Key: SAMPLE_KEY, Body: new Uint8Array(0) });
  let prepared: SdkRequest | undefined;
  command.middlewareStack.add(
    () => async (args) => {
      prepared = args.request as SdkRequest;
      return { output: { $metadata: {} }, response: undefined };
    },
    // Behind the signature, which comes at the same step.
    { name: "bucketlinePreparation", step: "finalizeRequest", priority: "low" },
  );
  await client.send(command);
  return prepared;
}
