import { BucketlineError, type Upload, UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import type { Destination } from "./destination.ts";
import type { Plan } from "./plan.ts";

const WATCH_INTERVAL_MS = 5_000;
const NEVER_MS = 2 ** 40;

/** What earlier runs have left. */
export interface Found {
  readonly upload: Upload;
  /** Files that were in flight when the last run ended without a goodbye. */
  readonly inFlight: number;
}

/**
 * A service for this one upload. It always watches, so that it is the same upload with and without --watch; only then
 * does it look again by itself, and waits until files are quiet.
 */
export function makeService(plan: Plan, destination: Destination): UploadService {
  return new UploadService({
    state: new SqliteStateStore(plan.ledger),
    objects: new S3ObjectStore(destination.client),
    monitorInterval: plan.watch ? WATCH_INTERVAL_MS : NEVER_MS,
    ...(!plan.watch && { stabilityThreshold: 0 }),
  });
}

/** @returns undefined when this is the first run */
export async function findEarlier(service: UploadService, id: string): Promise<Found | undefined> {
  try {
    const upload = await service.get(id);
    const files = await service.files(id, { states: ["IN_PROGRESS"], limit: 1_000 });
    return { upload, inFlight: files.length };
  } catch (error) {
    if (error instanceof BucketlineError && error.code === "UPLOAD_NOT_FOUND") return undefined;
    throw error;
  }
}

/**
 * Brings everything that is in the folder now into the bucket. When some files cannot be, it fails with UPLOAD_FAILED;
 * not with --watch, as the rest of the folder is to be followed all the same.
 * @throws BucketlineError · the signal's reason
 */
export async function bringUp(service: UploadService, plan: Plan, signal: AbortSignal): Promise<Upload> {
  const { id, folder: sourceFolder, bucket, exclude, keyTemplate } = plan;
  await service.register({ id, sourceFolder, bucket, exclude, keyTemplate, dot: true, mode: "watch" }, { signal });
  await service.start({ signal });
  await service.retry(id);
  await service.check(id, { signal });
  try {
    return await service.finished(id, { signal });
  } catch (error) {
    const upload = await service.get(id);
    const onlyFiles = upload.state === "FAILED" && upload.reason?.code === "UPLOAD_FAILED";
    if (plan.watch && onlyFiles) return upload;
    throw error;
  }
}
