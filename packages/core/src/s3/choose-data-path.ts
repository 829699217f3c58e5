import type { S3Client } from "@aws-sdk/client-s3";
import { connectionOf } from "./client.ts";
import { Connections } from "./connections.ts";
import { type DataPath, sdkDataPath } from "./data-path.ts";
import { DirectPath } from "./direct-path.ts";

/** `direct`: connections and signatures of our own for the bodies of objects and parts. `sdk`: the SDK's. */
export type DataPathName = "direct" | "sdk";

/**
 * The path that was asked for, or the SDK's where the direct one would leave out something the client was told to do: a
 * client that `createS3Client` has not made, one with options of another kind, or with middleware of its own.
 */
export function chooseDataPath(client: S3Client, name: DataPathName): DataPath {
  const sdk = sdkDataPath(client);
  const connection = name === "direct" ? connectionOf(client) : undefined;
  if (!connection) return sdk;
  const { signBodies, ...limits } = connection;
  return new DirectPath({ client, connections: new Connections(limits), signBodies, sdk });
}
