import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { S3ObjectStore } from "@bucketline/core/s3";
import type { Config } from "../config/config.ts";
import { UsageError } from "../errors.ts";
import { readProfile } from "./provider-profile.ts";

/**
 * The object store that the settings name. What they leave open is found by the AWS SDK, and what is special to the
 * provider by its profile, if `doctor` has written one.
 * @throws UsageError
 */
export async function makeObjects(config: Config): Promise<S3ObjectStore> {
  const { S3ObjectStore } = await import("@bucketline/core/s3");
  const { checksums, conditionalWrites } = config.values;
  const connection = connectionOf(config);
  const known = await readProfile(config);
  return new S3ObjectStore({
    ...connection,
    checksums: checksums ?? known?.checksums ?? "crc32",
    conditionalWrites: conditionalWrites ?? known?.conditionalWrites ?? true,
  });
}

/** What the settings say about how to reach the object store, as `S3Client` takes it. @throws UsageError */
export function connectionOf(config: Config): S3ClientConfig {
  const { region, endpointUrl, pathStyle, profile } = config.values;
  if (endpointUrl !== undefined && !/^https?:\/\/[^/]/i.test(endpointUrl))
    throw new UsageError("The endpoint of the object store must be a URL, such as https://s3.example.net.");
  const credentials = credentialsOf(config);
  // Stores of one's own seldom have a host name per bucket.
  const forcePathStyle = pathStyle ?? endpointUrl !== undefined;
  return {
    ...(region !== undefined && { region }),
    ...(endpointUrl !== undefined && { endpoint: endpointUrl }),
    ...(profile !== undefined && { profile }),
    ...(forcePathStyle && { forcePathStyle }),
    ...(credentials && { credentials }),
  };
}

/**
 * What the ledger calls the object store: by it a ledger is kept from being used with another one. Buckets of Amazon S3 have
 * their names all over the regions.
 */
export function locationOf({ values }: Config): string {
  const { storeLocation, endpointUrl } = values;
  if (storeLocation !== undefined) return storeLocation;
  if (endpointUrl === undefined || !URL.canParse(endpointUrl)) return endpointUrl ?? AMAZON;
  const { protocol, host, pathname } = new URL(endpointUrl);
  return /\.amazonaws\.com$/.test(host) ? AMAZON : `${protocol}//${host}${pathname.replace(/\/+$/, "")}`;
}

const AMAZON = "Amazon S3";

/** Only what bucketline.yaml says: what the environment has, the SDK finds by itself, and in its own order. */
function credentialsOf({ values, origins }: Config) {
  const { accessKeyId, secretAccessKey, sessionToken } = values;
  if (origins.accessKeyId.from !== "file" && origins.secretAccessKey.from !== "file") return undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new UsageError("Set both s3.access_key_id and s3.secret_access_key, or neither.");
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}
