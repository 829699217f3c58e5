import { join } from "node:path";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { type FileRecord, UploadError, UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import type { Keys } from "@bucketline/steps";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { sealingSteps } from "./steps.ts";

interface Shipment {
  /** Of the ledger and the spool. */
  readonly home: string;
  readonly folder: string;
  readonly bucket: string;
  readonly client: S3ClientConfig;
  /** The first encrypts. */
  readonly keys: Keys;
}

/** Sends what is new and what has changed through the pipeline. @returns all files, as they are recorded then */
export async function send({ home, folder, bucket, client, keys }: Shipment): Promise<FileRecord[]> {
  const service = new UploadService({
    state: new SqliteStateStore(join(home, "ledger.db")),
    objects: new S3ObjectStore(client),
    pipelines: { sealed: sealingSteps(keys) },
    spool: { folder: join(home, "spool") },
  });
  try {
    await service.start();
    const settings = { sourceFolder: folder, bucket, mode: "once", pipeline: "sealed" } as const;
    const { id } = await service.register({ id: "archive", ...settings });
    await service.check(id);
    await service.finished(id).catch((error: unknown) => {
      // Refused files are told by their records.
      if (!(error instanceof UploadError && error.code === "UPLOAD_FAILED")) throw error;
    });
    return await service.files(id);
  } finally {
    await service.stop();
  }
}
