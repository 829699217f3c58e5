import type { Body } from "./body.ts";
import type { Bucket, Catalog } from "./catalog.ts";
import type { Dialect } from "./dialect.ts";
import { S3Error } from "./errors.ts";
import type { Change, Extent, ObjectRecord } from "./records.ts";
import type { Reply } from "./reply.ts";
import type { RequestInfo } from "./request.ts";
import type { RequestRecord } from "./requests.ts";
import type { Storage } from "./storage/storage.ts";

/** What the sandbox is, as far as its operations are concerned. */
export interface Settings {
  region: string;
  ownerId: string;
  minPartSize: number;
  dialect: Dialect;
  clock: () => Date;
}

/** One authenticated request on its way to an operation. */
export interface Call {
  info: RequestInfo;
  /** Lower-case name; for presigned requests the query stands in. */
  header(name: string): string | undefined;
  body: Body;
  record: RequestRecord;
}

/** Serves one operation. Errors are thrown as S3Error. */
export type Operation = (service: Service, call: Call) => Reply | Promise<Reply>;

/** The contents and the settings that operations work on. */
export class Service {
  readonly catalog: Catalog;
  readonly storage: Storage;
  readonly settings: Settings;

  constructor(catalog: Catalog, storage: Storage, settings: Settings) {
    this.catalog = catalog;
    this.storage = storage;
    this.settings = settings;
  }

  /** Now, on a whole second, because S3 keeps no finer times. */
  now(): number {
    return Math.floor(this.settings.clock().getTime() / 1000) * 1000;
  }

  /**
   * Records a change, then makes it visible. Nothing happens between the two, so checks made just before still hold.
   */
  commit(change: Change, call?: Call): void {
    this.storage.record(change);
    for (const blob of this.catalog.apply(change)) this.storage.removeBlob(blob);
    if (call) call.record.committed = true;
  }

  /** Keeps an object's bytes readable, whatever happens to the object, until the returned function is called. */
  hold(extents: readonly Extent[]): () => void {
    this.catalog.hold(extents);
    return () => {
      for (const blob of this.catalog.release(extents)) this.storage.removeBlob(blob);
    };
  }

  /** @throws S3Error NoSuchBucket, or AccessDenied when the request expects another owner */
  bucket(call: Call): Bucket {
    const name = call.info.bucket as string;
    const bucket = this.catalog.buckets.get(name);
    if (!bucket) throw new S3Error("NoSuchBucket", { details: { BucketName: name } });
    const owner = call.header("x-amz-expected-bucket-owner");
    if (owner !== undefined && owner !== this.settings.ownerId) throw new S3Error("AccessDenied");
    return bucket;
  }

  /** @throws S3Error NoSuchKey, or InvalidArgument for a version other than `null` */
  object(call: Call): ObjectRecord {
    const bucket = this.bucket(call);
    checkVersion(call.info.query.get("versionId"));
    const key = objectKey(call);
    const object = bucket.objects.get(key);
    if (!object) throw new S3Error("NoSuchKey", { details: { Key: key } });
    return object;
  }
}

/** Buckets are not versioned, so `null` is the only version there is. */
export function checkVersion(versionId: string | undefined): void {
  if (versionId === undefined || versionId === "null") return;
  throw new S3Error("InvalidArgument", {
    message: "Invalid version id specified",
    details: { ArgumentName: "versionId", ArgumentValue: versionId },
  });
}

/** The key of an object request. @throws S3Error KeyTooLongError beyond 1,024 bytes of UTF-8 */
export function objectKey(call: Call): string {
  const key = call.info.key as string;
  const size = Buffer.byteLength(key);
  if (size > 1024) throw new S3Error("KeyTooLongError", { details: { Size: String(size), MaxSizeAllowed: "1024" } });
  return key;
}
