import type { Bucket } from "./catalog.ts";
import type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksums.ts";
import { SandboxError } from "./errors.ts";
import type { ObjectRecord } from "./records.ts";
import type { Service } from "./service.ts";

/** A stored object as tests want to see it. */
export interface ObjectView {
  key: string;
  size: number;
  /** Without quotes. */
  etag: string;
  lastModified: Date;
  contentType: string;
  /** `content-type`, `cache-control` and the like, by lower-case name. */
  headers: Record<string, string>;
  /** User metadata, without the `x-amz-meta-` prefix. */
  metadata: Record<string, string>;
  tags: Record<string, string>;
  storageClass: string;
  /** The server-side encryption headers it was written with. */
  encryption: Record<string, string>;
  checksum: Checksum | undefined;
  /** How many parts it was uploaded in; 0 for a single PUT or a copy. */
  partCount: number;
}

/** A part that the sandbox has received. Size in bytes. */
export interface PartView {
  partNumber: number;
  size: number;
  etag: string;
  checksum: string | undefined;
}

/** An unfinished multipart upload. */
export interface UploadView {
  uploadId: string;
  key: string;
  initiated: Date;
  metadata: Record<string, string>;
  checksumAlgorithm: ChecksumAlgorithm | undefined;
  checksumType: ChecksumType | undefined;
  parts: PartView[];
}

function viewObject(object: ObjectRecord): ObjectView {
  return {
    key: object.key,
    size: object.size,
    etag: object.etag,
    lastModified: new Date(object.lastModified),
    contentType: object.headers["content-type"] as string,
    headers: { ...object.headers },
    metadata: { ...object.metadata },
    tags: { ...object.tags },
    storageClass: object.storageClass,
    encryption: { ...object.encryption },
    checksum: object.checksum,
    partCount: object.parts?.length ?? 0,
  };
}

/** Reads the contents directly, without requests and without leaving a trace in the ledger. */
export class Inspection {
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  buckets(): string[] {
    return [...this.#service.catalog.buckets.keys()].sort();
  }

  async object(bucketName: string, key: string): Promise<(ObjectView & { body: Buffer }) | undefined> {
    const object = this.#bucket(bucketName).objects.get(key);
    if (!object) return undefined;
    const letGo = this.#service.hold(object.extents);
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of this.#service.storage.read(object.extents, 0, object.size)) chunks.push(chunk);
      return { ...viewObject(object), body: Buffer.concat(chunks) };
    } finally {
      letGo();
    }
  }

  objects(bucketName: string): ObjectView[] {
    const { keys, objects } = this.#bucket(bucketName);
    return [...keys.from(() => false)].map((key) => viewObject(objects.get(key) as ObjectRecord));
  }

  multipartUploads(bucketName: string): UploadView[] {
    const uploads = [...this.#bucket(bucketName).uploads.values()].map(({ record, parts }): UploadView => {
      const { uploadId, key, initiated, metadata, checksumAlgorithm, checksumType } = record;
      const sorted = [...parts.values()].sort((a, b) => a.partNumber - b.partNumber);
      return {
        uploadId,
        key,
        initiated: new Date(initiated),
        metadata: { ...metadata },
        checksumAlgorithm,
        checksumType,
        parts: sorted.map(({ partNumber, size, etag, checksum }) => ({ partNumber, size, etag, checksum })),
      };
    });
    return uploads.sort((a, b) => (a.key === b.key ? (a.uploadId < b.uploadId ? -1 : 1) : a.key < b.key ? -1 : 1));
  }

  #bucket(name: string): Bucket {
    const bucket = this.#service.catalog.buckets.get(name);
    if (!bucket) throw new SandboxError("SANDBOX_UNKNOWN_BUCKET", `There is no bucket "${name}". Create it first.`);
    return bucket;
  }
}
