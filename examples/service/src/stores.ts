import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { StateStore } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { startSandbox } from "@bucketline/s3-sandbox";
import { JsonStateStore } from "@bucketline/store-json";
import { PostgresStateStore } from "@bucketline/store-postgres";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { SettingError, type Settings } from "./settings.ts";

/** @throws SettingError */
export function makeLedger({ databaseUrl }: Settings): StateStore {
  if (/^postgres(ql)?:\/\//.test(databaseUrl)) return new PostgresStateStore(databaseUrl);
  // `sqlite:///./data/x.db` as SQLAlchemy writes it, `sqlite:///data/x.db`, and `sqlite:x.db`.
  const [, kind, path] = /^(sqlite|json):(?:\/\/(?:\/(?=\.{1,2}\/))?)?(.+)$/.exec(databaseUrl) ?? [];
  if (!path) throw new SettingError("DATABASE_URL", "sqlite:///path, json:path or postgres://…");
  const file = resolve(path);
  mkdirSync(dirname(file), { recursive: true });
  return kind === "json" ? new JsonStateStore(file) : new SqliteStateStore(file);
}

/** Where the objects go. */
export interface Destination {
  readonly objects: S3ObjectStore;
  /** For people. */
  readonly place: string;
  close(): Promise<void>;
}

export const DEMO_BUCKET = "demo";

/** A bucket of one's own by everything the AWS SDK reads; otherwise a sandbox whose objects survive restarts. */
export async function openDestination(settings: Settings): Promise<Destination> {
  const endpoint = process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL;
  if (settings.ownBucket) {
    // Stores of one's own seldom have a host name per bucket.
    const objects = new S3ObjectStore(endpoint ? { forcePathStyle: true } : {});
    return { objects, place: endpoint || "Amazon S3", close: async () => {} };
  }
  const sandbox = await startSandbox({
    storage: { directory: resolve(settings.dataFolder, "sandbox") },
    buckets: settings.buckets ?? [DEMO_BUCKET],
    port: settings.sandboxPort,
  });
  const place = `a local S3 sandbox (${sandbox.endpoint})`;
  return { objects: new S3ObjectStore(sandbox.clientConfig), place, close: () => sandbox.close() };
}
