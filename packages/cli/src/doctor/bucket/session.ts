import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  DeleteObjectCommand,
  type DeleteObjectCommandInput,
  HeadObjectCommand,
  type HeadObjectCommandInput,
  ListPartsCommand,
  type ListPartsCommandInput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  UploadPartCommand,
  type UploadPartCommandInput,
} from "@aws-sdk/client-s3";
import type { Capability } from "../../assembly/provider-profile.ts";
import type { Examination } from "../finding.ts";
import { type ClockReading, watchDates } from "./dates.ts";

/** Below the destination's prefix: the credentials may be good for nothing else. */
const SCRATCH_FOLDER = ".bucketline-doctor/";

type Extra<T> = Partial<Omit<T, "Bucket" | "Key" | "UploadId" | "Body">>;

/**
 * Requests of one examination, below a prefix of its own, with a memory of all they may have made. An interruption takes
 * effect between two requests: what is given up half way may still arrive after everything was removed.
 */
export class BucketSession {
  readonly client: S3Client;
  readonly examination: Examination;
  readonly bucket: string;
  /** Of everything that doctors put here. */
  readonly scratchFolder: string;
  /** Of what this one puts here. */
  readonly prefix: string;
  /** Keys that may have an object. */
  readonly objects = new Set<string>();
  /** Ids of multipart uploads that may be open, with their keys. */
  readonly multiparts = new Map<string, string>();
  readonly capabilities = new Map<Capability, boolean>();
  readonly clock: readonly ClockReading[];
  readonly #timeoutMs: number;

  constructor(client: S3Client, examination: Examination, destination: { bucket: string; prefix: string }) {
    this.client = client;
    this.examination = examination;
    this.bucket = destination.bucket;
    this.scratchFolder = `${destination.prefix}${SCRATCH_FOLDER}`;
    this.prefix = `${this.scratchFolder}${randomBytes(8).toString("hex")}/`;
    this.clock = watchDates(client);
    this.#timeoutMs = examination.config.values.requestTimeout + BODY_MS;
  }

  /** Of every request. @throws the reason of the interruption */
  options(): { abortSignal: AbortSignal } {
    this.examination.signal.throwIfAborted();
    return this.lastOptions();
  }

  /** Also after an interruption: for tidying up. */
  readonly lastOptions = (): { abortSignal: AbortSignal } => ({
    abortSignal: AbortSignal.any([this.examination.cut, AbortSignal.timeout(this.#timeoutMs)]),
  });

  address(name: string) {
    return { Bucket: this.bucket, Key: this.prefix + name };
  }

  put(name: string, body: Uint8Array, extra: Extra<PutObjectCommandInput> = {}) {
    const options = this.options();
    this.objects.add(this.prefix + name);
    return this.client.send(new PutObjectCommand({ ...this.address(name), Body: body, ...extra }), options);
  }

  /** @param extra a store that knows no checksums may refuse to be asked for one */
  head(name: string, extra: Extra<HeadObjectCommandInput> = {}) {
    const input = { ...this.address(name), ...extra };
    return this.client.send(new HeadObjectCommand(input), this.options());
  }

  async remove(name: string, extra: Extra<DeleteObjectCommandInput> = {}) {
    return await this.client.send(new DeleteObjectCommand({ ...this.address(name), ...extra }), this.options());
  }

  /** @returns its id */
  async begin(name: string, extra: Extra<CreateMultipartUploadCommandInput> = {}): Promise<string> {
    const input = { ...this.address(name), ...extra };
    const { UploadId = "" } = await this.client.send(new CreateMultipartUploadCommand(input), this.options());
    this.multiparts.set(UploadId, this.prefix + name);
    return UploadId;
  }

  part(name: string, id: string, number: number, body: Uint8Array, extra: Extra<UploadPartCommandInput> = {}) {
    const input = { ...this.address(name), UploadId: id, PartNumber: number, Body: body, ...extra };
    return this.client.send(new UploadPartCommand(input), this.options());
  }

  listParts(name: string, id: string, extra: Extra<ListPartsCommandInput> = {}) {
    return this.client.send(new ListPartsCommand({ ...this.address(name), UploadId: id, ...extra }), this.options());
  }

  async complete(
    name: string,
    id: string,
    etags: readonly (string | undefined)[],
    extra: Extra<CompleteMultipartUploadCommandInput> = {},
    checksums: readonly string[] = [],
  ) {
    const Parts = etags.map((ETag, index) => ({
      ETag,
      PartNumber: index + 1,
      ...(checksums[index] !== undefined && { ChecksumCRC32: checksums[index] }),
    }));
    const options = this.options();
    this.objects.add(this.prefix + name);
    const input = { ...this.address(name), UploadId: id, MultipartUpload: { Parts }, ...extra };
    const answer = await this.client.send(new CompleteMultipartUploadCommand(input), options);
    this.multiparts.delete(id);
    return answer;
  }

  async abort(name: string, id: string) {
    const input = { ...this.address(name), UploadId: id };
    return await this.client.send(new AbortMultipartUploadCommand(input), this.options());
  }

  /** Remembers what the store can do, and says it again. */
  note(capability: Capability, isThere: boolean): boolean {
    this.capabilities.set(capability, isThere);
    return isThere;
  }
}

/** A part of 5 MiB needs some time on a slow line. */
const BODY_MS = 120_000;

/** As S3's headers have it. */
export function crc32Header(body: Uint8Array): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString("base64");
}
