import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  type ListPartsCommandOutput,
  type S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { crc32ToBase64 } from "../checksum.ts";
import { systemClock } from "../clock.ts";
import { ObjectStoreError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  CompleteMultipartRequest,
  CreateMultipartRequest,
  DeleteObjectRequest,
  DeleteOutcome,
  ListedMultipart,
  ListedObject,
  ListedPart,
  ListObjectsRequest,
  ListRequest,
  MultipartAddress,
  ObjectAddress,
  ObjectFacts,
  ObjectStore,
  ObjectStoreCapabilities,
  PutObjectRequest,
  PutStreamRequest,
  UploadPartRequest,
  WriteReceipt,
} from "../ports/object-store.ts";
import { decodeKey, nextPage, receiptOf, reportedChecksum, senseless, unquoteEtag } from "./answers.ts";
import { chooseDataPath, type DataPathName } from "./choose-data-path.ts";
import { classify, type FailedCall } from "./classify.ts";
import { createS3Client, type S3ConnectionOptions } from "./client.ts";
import { type ClientCredentials, watchCredentials } from "./credentials.ts";
import type { DataPath } from "./data-path.ts";
import { sendDelete } from "./delete.ts";
import {
  type BucketRequest,
  bucketInput,
  type ChecksumMode,
  conditionInput,
  decodeMetadataValue,
  multipartInput,
  objectInput,
  partInput,
  putInput,
  quoteEtag,
  settingsInput,
  TOKEN_METADATA,
} from "./inputs.ts";
import { explainHead } from "./refused-head.ts";
import { SourceFailure, StreamFailure, uploadStream } from "./stream-upload.ts";

interface OwnOptions {
  /**
   * `crc32`: the store checks and keeps a CRC32 of the full object. `none`: for stores that do not know those headers;
   * bodies then carry Content-MD5, and nothing is reported back. Default `crc32`.
   */
  readonly checksums?: ChecksumMode;
  /**
   * Whether the store honours `If-None-Match` and `If-Match` on writes. Default true. When false, deletes rely on a HEAD
   * right before them alone.
   */
  readonly conditionalWrites?: boolean;
  /**
   * What carries the bodies of PutObject and UploadPart. `direct`: connections and signatures of our own, at a small part
   * of the SDK's processor time; where a client or an option asks for what only the SDK does, the SDK carries them all the
   * same. `sdk`: always the SDK. Default `direct`.
   */
  readonly dataPath?: DataPathName;
  /** For the pauses between attempts to abort. Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * Either what the SDK's `S3Client` takes (region, endpoint, credentials, profile, forcePathStyle …; what is left out
 * comes from the environment and the shared files as with any SDK client), or a client of one's own.
 *
 * A client handed in is used as it is and never closed. Its retries multiply with those of the retry decorator: give it
 * `maxAttempts: 1`. Give it `requestChecksumCalculation: "WHEN_REQUIRED"` for stores that know no checksums, and a request
 * handler with timeouts.
 */
export type S3ObjectStoreOptions = OwnOptions &
  (
    | ({ readonly client: S3Client } & { [K in keyof S3ConnectionOptions]?: never })
    | (S3ClientConfig & S3ConnectionOptions & { readonly client?: never })
  );

const GIB = 1024 ** 3;

/** How often a multipart upload is aborted before we give up on its disappearing, and the pause before each repetition. */
const ABORT_ATTEMPTS = 5;
const ABORT_PAUSE_MS = 200;

/** The SDK follows every answer's Date, to the second. S3 refuses what differs by 15 minutes. */
const NOTABLE_SKEW_MS = 240_000;

/**
 * Amazon S3, or a store that speaks its language, through the AWS SDK. One request per attempt; failures are classified
 * (`classify.ts`) and never repeated here. Limits are those of S3 (user guide, "Multipart upload limits").
 *
 * Permissions needed: `s3:PutObject`, `s3:GetObject` and `s3:ListBucket` (without it a missing object answers 403, not
 * 404), `s3:AbortMultipartUpload`, `s3:ListMultipartUploadParts`, `s3:ListBucketMultipartUploads`; `s3:DeleteObject` to
 * delete.
 */
export class S3ObjectStore implements ObjectStore {
  readonly capabilities: ObjectStoreCapabilities;
  readonly #client: S3Client;
  readonly #ownsClient: boolean;
  readonly #credentials: ClientCredentials;
  readonly #data: DataPath;
  readonly #checksums: ChecksumMode;
  readonly #clock: Clock;

  constructor(options: S3ObjectStoreOptions = {}) {
    const { checksums = "crc32", conditionalWrites = true, dataPath, clock = systemClock, client, ...rest } = options;
    const { connectionTimeoutMs, idleTimeoutMs, maxSockets, signBodies, ca, ...config } = rest as S3ClientConfig &
      S3ConnectionOptions;
    const connection = { connectionTimeoutMs, idleTimeoutMs, maxSockets, signBodies, ca };
    this.#client = client ?? createS3Client(config, connection as S3ConnectionOptions);
    this.#ownsClient = client === undefined;
    this.#credentials = watchCredentials(this.#client);
    this.#data = chooseDataPath(this.#client, dataPath ?? "direct");
    this.#checksums = checksums;
    this.#clock = clock;
    this.capabilities = {
      checksums: checksums === "crc32",
      conditionalWrites,
      maxPutSize: 5 * GIB,
      minPartSize: 5 * 1024 ** 2,
      maxPartSize: 5 * GIB,
      maxParts: 10_000,
    };
  }

  usesSha256(bucket: string): boolean {
    return this.#data.usesSha256(bucket);
  }

  async checkBucket(request: BucketRequest): Promise<void> {
    const input = bucketInput(request);
    await this.#call("checkBucket", request, async (options) => {
      try {
        await this.#client.send(new HeadBucketCommand(input), options);
      } catch (error) {
        // A HEAD has no body and so no code: 400 may be an expired token or another region, 403 bad credentials or a
        // missing permission. A GET that is refused says which.
        const { kind, status } = classify(error, { operation: "checkBucket", bucket: request.bucket });
        if (kind === "wrongRegion" || (status !== 400 && status !== 403)) throw error;
        await this.#client.send(new ListObjectsV2Command({ ...input, MaxKeys: 1 }), options);
      }
    });
  }

  async putObject(request: PutObjectRequest): Promise<WriteReceipt> {
    this.#refuseCondition("putObject", request);
    return this.#call("putObject", request, async (options, call) => {
      const input = putInput(request, this.#checksums, call);
      return receiptOf(await this.#data.putObject(input, { ...options, sha256: request.sha256 }), call);
    });
  }

  async putStream(request: PutStreamRequest): Promise<WriteReceipt & { size: number }> {
    const call = { operation: "putStream", bucket: request.bucket, key: request.key };
    const { minPartSize, maxPartSize } = this.capabilities;
    if (request.partSize < minPartSize || request.partSize > maxPartSize) {
      throw new ObjectStoreError(
        { ...call, kind: "rejected" },
        `a part size of ${request.partSize} bytes is not allowed.`,
      );
    }
    request.signal?.throwIfAborted();
    try {
      const input = { ...settingsInput(request.settings, request.token, call), ...objectInput(request) };
      const { partSize, body, signal } = request;
      const upload = { client: this.#client, input, body, partSize, checksums: this.#checksums, signal };
      const { answer, size, checksum } = await uploadStream(upload);
      const receipt = receiptOf(answer, call);
      if (receipt.checksum !== undefined && receipt.checksum !== checksum) {
        throw new ObjectStoreError(
          { ...call, kind: "integrity" },
          "the store reports another checksum than the stream has.",
        );
      }
      return { ...receipt, size };
    } catch (error) {
      const failure = error instanceof StreamFailure ? error : new StreamFailure(error, undefined);
      if (failure.multipartId !== undefined) await this.#clearUp(request, failure.multipartId);
      request.signal?.throwIfAborted();
      if (failure.reason instanceof SourceFailure) throw failure.reason.reason;
      throw this.#failed(failure.reason, call);
    }
  }

  /** HEAD first: several stores ignore `If-Match` on a DELETE and would delete whatever is there. */
  async deleteObject(request: DeleteObjectRequest): Promise<DeleteOutcome> {
    const object = await this.headObject(request);
    // The answer to a HEAD does not say what is missing.
    if (!object) await this.checkBucket(request);
    if (object?.etag !== request.ifMatch) return object ? "changed" : "absent";
    const { conditionalWrites } = this.capabilities;
    return this.#call("deleteObject", request, (options, call) =>
      sendDelete(this.#client, request, conditionalWrites, options, call),
    );
  }

  async headObject(request: ObjectAddress): Promise<ObjectFacts | undefined> {
    const offset = this.#client.config.systemClockOffset;
    try {
      return await this.#call("headObject", request, async (options, call) => {
        const mode = this.#checksums === "crc32" ? { ChecksumMode: "ENABLED" as const } : {};
        const command = new HeadObjectCommand({ ...objectInput(request), ...mode });
        const answer = await this.#client.send(command, options).catch(async (refusal: unknown) => {
          throw await explainHead(this.#client, request, options, call, refusal);
        });
        const token = answer.Metadata?.[TOKEN_METADATA];
        return {
          size: answer.ContentLength ?? 0,
          etag: unquoteEtag(answer.ETag ?? ""),
          versionId: answer.VersionId,
          checksum: reportedChecksum(answer),
          token: token && decodeMetadataValue(token),
        };
      });
    } catch (error) {
      if (!(error instanceof ObjectStoreError)) throw error;
      if (error.kind === "notFound") return undefined;
      // The answer to a HEAD has no code. If the SDK has set its clock by it, it meant RequestTimeTooSkewed.
      const correction = Math.abs(this.#client.config.systemClockOffset - offset);
      if (error.status !== 403 || correction < NOTABLE_SKEW_MS) throw error;
      const facts = { kind: "transient", operation: "headObject", bucket: request.bucket, key: request.key } as const;
      throw new ObjectStoreError({ ...facts, status: 403 }, "the clocks differed; ours has been corrected.");
    }
  }

  async *listObjects(request: ListObjectsRequest): AsyncGenerator<ListedObject> {
    const input = {
      ...bucketInput(request),
      Prefix: request.prefix,
      StartAfter: request.after,
      EncodingType: "url" as const,
    };
    let next: { ContinuationToken?: string | undefined } | undefined = {};
    while (next) {
      const last = next;
      const command = new ListObjectsV2Command({ ...input, ...last });
      const page = await this.#call("listObjects", request, async (options, call) => {
        const answer = await this.#client.send(command, options);
        next = nextPage(answer, { ContinuationToken: answer.NextContinuationToken }, last, call);
        return answer;
      });
      for (const { Key = "", Size: size = 0, ETag = "" } of page.Contents ?? []) {
        yield { key: decodeKey(Key, page.EncodingType), size, etag: unquoteEtag(ETag) };
        request.signal?.throwIfAborted();
      }
    }
  }

  async createMultipart(request: CreateMultipartRequest): Promise<{ multipartId: string }> {
    return this.#call("createMultipart", request, async (options, call) => {
      const command = new CreateMultipartUploadCommand({
        ...settingsInput(request.settings, request.token, call),
        ...objectInput(request),
        ...(this.#checksums === "crc32" && { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" }),
      });
      const { UploadId } = await this.#client.send(command, options);
      if (!UploadId) throw senseless(call, "no multipart upload id");
      return { multipartId: UploadId };
    });
  }

  async uploadPart(request: UploadPartRequest): Promise<WriteReceipt> {
    return this.#call("uploadPart", request, async (options, call) => {
      const input = partInput(request, this.#checksums);
      return receiptOf(await this.#data.uploadPart(input, { ...options, sha256: request.sha256 }), call);
    });
  }

  async listParts(request: MultipartAddress): Promise<ListedPart[]> {
    return this.#call("listParts", request, async (options, call) => {
      const parts: ListedPart[] = [];
      let next: { PartNumberMarker?: string | undefined } | undefined = {};
      while (next) {
        const command = new ListPartsCommand({ ...multipartInput(request), ...next });
        const page: ListPartsCommandOutput = await this.#client.send(command, options);
        for (const part of page.Parts ?? []) {
          const { PartNumber: partNumber = 0, Size: size = 0, ETag: etag = "" } = part;
          parts.push({ partNumber, size, etag: unquoteEtag(etag), checksum: reportedChecksum(part) });
        }
        next = nextPage(page, { PartNumberMarker: page.NextPartNumberMarker }, next, call);
      }
      return parts.sort((a, b) => a.partNumber - b.partNumber);
    });
  }

  async completeMultipart(request: CompleteMultipartRequest): Promise<WriteReceipt> {
    this.#refuseCondition("completeMultipart", request);
    const crc32 = this.#checksums === "crc32";
    const parts = request.parts.map(({ partNumber, etag, checksum }) => ({
      PartNumber: partNumber,
      ETag: quoteEtag(etag),
      ...(crc32 && { ChecksumCRC32: crc32ToBase64(checksum) }),
    }));
    return this.#call("completeMultipart", request, async (options, call) => {
      const command = new CompleteMultipartUploadCommand({
        ...multipartInput(request),
        ...conditionInput(request.condition),
        ...(crc32 && { ChecksumType: "FULL_OBJECT", ChecksumCRC32: crc32ToBase64(request.checksum) }),
        MpuObjectSize: request.size,
        MultipartUpload: { Parts: parts },
      });
      return receiptOf(await this.#client.send(command, options), call);
    });
  }

  /**
   * Parts under way while S3 aborts may be stored all the same, so the abort is repeated until ListParts knows nothing of
   * the upload (API reference, AbortMultipartUpload).
   */
  async abortMultipart(request: MultipartAddress): Promise<void> {
    await this.#call("abortMultipart", request, async (options, call) => {
      for (let attempt = 1; attempt <= ABORT_ATTEMPTS; attempt++) {
        if (attempt > 1) await this.#clock.sleep(ABORT_PAUSE_MS * (attempt - 1), request.signal);
        try {
          await this.#client.send(new AbortMultipartUploadCommand(multipartInput(request)), options);
          await this.#client.send(new ListPartsCommand({ ...multipartInput(request), MaxParts: 1 }), options);
        } catch (error) {
          if (classify(error, call).kind === "notFound") return;
          throw error;
        }
      }
      throw new ObjectStoreError({ ...call, kind: "transient" }, `parts remain after ${ABORT_ATTEMPTS} aborts.`);
    });
  }

  async *listMultiparts(request: ListRequest): AsyncGenerator<ListedMultipart> {
    const input = { ...bucketInput(request), Prefix: request.prefix, EncodingType: "url" as const };
    let next: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
    while (next) {
      const last = next;
      const command = new ListMultipartUploadsCommand({ ...input, ...last });
      const page = await this.#call("listMultiparts", request, async (options, call) => {
        const answer = await this.#client.send(command, options);
        const KeyMarker = decodeKey(answer.NextKeyMarker ?? "", answer.EncodingType);
        next = nextPage(answer, { KeyMarker, UploadIdMarker: answer.NextUploadIdMarker }, last, call);
        return answer;
      });
      for (const { Key = "", UploadId: multipartId = "", Initiated } of page.Uploads ?? []) {
        yield { key: decodeKey(Key, page.EncodingType), multipartId, initiatedAt: Initiated?.getTime() ?? 0 };
        request.signal?.throwIfAborted();
      }
    }
  }

  async close(): Promise<void> {
    await this.#data.close();
    if (this.#ownsClient) this.#client.destroy();
  }

  /** Runs one call; its failures are the signal's reason or classified errors, nothing else. */
  async #call<T>(
    operation: string,
    { bucket, key, signal }: BucketRequest & { readonly key?: string },
    work: (options: { abortSignal?: AbortSignal }, call: FailedCall) => Promise<T>,
  ): Promise<T> {
    const call = { operation, bucket, key };
    signal?.throwIfAborted();
    try {
      return await work(signal ? { abortSignal: signal } : {}, call);
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#failed(error, call);
    }
  }

  /** A client handed in is left alone: whoever made it decides when its credentials are fetched. */
  #failed(error: unknown, call: FailedCall): ObjectStoreError {
    const failure = classify(error, call);
    if (failure.kind === "credentials" && this.#ownsClient) this.#credentials.renew();
    return failure;
  }

  #refuseCondition(operation: string, { bucket, key, condition }: PutObjectRequest | CompleteMultipartRequest): void {
    if (!condition || this.capabilities.conditionalWrites) return;
    throw new ObjectStoreError({ kind: "unsupported", operation, bucket, key }, "conditional writes are switched off.");
  }

  /** Best effort: what cannot be aborted now is found by listMultiparts later. */
  async #clearUp({ bucket, key, expectedBucketOwner }: PutStreamRequest, multipartId: string): Promise<void> {
    await this.abortMultipart({ bucket, key, expectedBucketOwner, multipartId }).catch(() => {});
  }
}
