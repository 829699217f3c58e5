import { Readable } from "node:stream";
import {
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type PutObjectCommandInput,
  type S3Client,
  type UploadPartCommandInput,
} from "@aws-sdk/client-s3";
import { abortable } from "../abortable.ts";
import { type Checksum, crc32Of, crc32ToBase64, formatCrc32 } from "../checksum.ts";
import type { WriteAnswer } from "./answers.ts";
import { bodyChecksumInput, type ChecksumMode } from "./inputs.ts";

export interface StreamUpload {
  readonly client: S3Client;
  /** Bucket, key and settings. */
  readonly input: Omit<PutObjectCommandInput, "Body">;
  readonly body: AsyncIterable<Uint8Array>;
  readonly partSize: number;
  readonly checksums: ChecksumMode;
  readonly signal: AbortSignal | undefined;
}

export interface StreamOutcome {
  readonly answer: WriteAnswer;
  /** Of what was read from the source. */
  readonly size: number;
  readonly checksum: Checksum;
}

/** The source of a stream failed, not the store. */
export class SourceFailure {
  readonly reason: unknown;
  constructor(reason: unknown) {
    this.reason = reason;
  }
}

/** A failed stream, and the multipart upload it may have left behind. */
export class StreamFailure extends Error {
  readonly reason: unknown;
  readonly multipartId: string | undefined;
  constructor(reason: unknown, multipartId: string | undefined) {
    super("The stream failed.");
    this.reason = reason;
    this.multipartId = multipartId;
  }
}

type AnyInput = Partial<
  PutObjectCommandInput &
    CreateMultipartUploadCommandInput &
    UploadPartCommandInput &
    CompleteMultipartUploadCommandInput
>;

interface AnyCommand {
  readonly input: AnyInput;
}

/** `send` as lib-storage uses it, whatever the command. */
interface AnyClient {
  send(command: AnyCommand, options: { readonly abortSignal?: AbortSignal }): Promise<{ readonly UploadId?: string }>;
}

/**
 * Sends a stream with lib-storage, which cuts it into parts and keeps four under way. It knows neither checksums of the
 * whole nor our signal, so every command passes through a client that adds them, and that stops them all once one fails.
 * Clearing up is left to the caller: lib-storage would ask once, and stop short of knowing that the parts are gone.
 *
 * @throws StreamFailure; its reason is a SourceFailure when the body itself failed
 */
export async function uploadStream(upload: StreamUpload): Promise<StreamOutcome> {
  const source = new MeasuredSource(upload.body);
  const stop = new AbortController();
  const forward = () => stop.abort(upload.signal?.reason);
  upload.signal?.addEventListener("abort", forward, { once: true });
  const client = new StreamClient(upload, source, stop);
  const readable = Readable.from(source.read(stop.signal), { objectMode: true, signal: stop.signal });
  // Without a listener, a stream that is torn down while nobody reads it would end the process.
  readable.on("error", () => {});
  try {
    // Late: few streams are ever sent, and it takes as long to load as a hundred files to send.
    const { Upload } = await import("@aws-sdk/lib-storage");
    const lib = new Upload({
      client: client.proxy,
      params: { ...upload.input, Body: readable },
      partSize: upload.partSize,
      leavePartsOnError: true,
    });
    const answer = await lib.done();
    return { answer, size: source.size, checksum: formatCrc32(source.crc) };
  } catch (error) {
    // The first cause: stopping makes the other parts and the source fail too.
    throw new StreamFailure(source.failure ?? client.failure ?? error, client.multipartId);
  } finally {
    upload.signal?.removeEventListener("abort", forward);
    readable.destroy();
  }
}

/** The caller's stream, counted as it is read. */
class MeasuredSource {
  size = 0;
  crc = 0;
  failure: SourceFailure | undefined;
  readonly #body: AsyncIterable<Uint8Array>;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body;
  }

  async *read(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const chunks = abortable(this.#body, signal);
    try {
      for (let step = await this.#next(chunks, signal); !step.done; step = await this.#next(chunks, signal)) {
        this.size += step.value.length;
        this.crc = crc32Of(step.value, this.crc);
        if (step.value.length > 0) yield step.value;
      }
    } finally {
      await chunks.return(undefined);
    }
  }

  async #next(chunks: AsyncGenerator<Uint8Array>, signal: AbortSignal): Promise<IteratorResult<Uint8Array>> {
    try {
      return await chunks.next();
    } catch (error) {
      if (!signal.aborted) this.failure = new SourceFailure(error);
      throw error;
    }
  }
}

class StreamClient {
  readonly proxy: S3Client;
  multipartId: string | undefined;
  failure: unknown;
  readonly #upload: StreamUpload;
  readonly #source: MeasuredSource;
  readonly #stop: AbortController;

  constructor(upload: StreamUpload, source: MeasuredSource, stop: AbortController) {
    this.#upload = upload;
    this.#source = source;
    this.#stop = stop;
    this.proxy = Object.create(upload.client, {
      send: { value: (command: AnyCommand) => this.#send(command) },
    }) as S3Client;
  }

  async #send(command: AnyCommand): Promise<{ readonly UploadId?: string }> {
    Object.assign(command.input, this.#additions(command));
    const client = this.#upload.client as unknown as AnyClient;
    try {
      // The answer to a create is waited for even after an abort: without its id the upload could not be cleared up.
      const unstoppable = command instanceof CreateMultipartUploadCommand;
      const answer = await client.send(command, unstoppable ? {} : { abortSignal: this.#stop.signal });
      this.multipartId ??= answer.UploadId;
      return answer;
    } catch (error) {
      this.failure ??= error;
      this.#stop.abort(error);
      throw error;
    }
  }

  #additions(command: AnyCommand): AnyInput {
    const { checksums } = this.#upload;
    const body = command.input.Body;
    if (body instanceof Uint8Array) return bodyChecksumInput(checksums, body, formatCrc32(crc32Of(body)));
    const wholeKnown = command instanceof CompleteMultipartUploadCommand;
    return {
      ...(wholeKnown && { MpuObjectSize: this.#source.size }),
      ...(checksums === "crc32" && {
        ChecksumType: "FULL_OBJECT",
        ...(wholeKnown
          ? { ChecksumCRC32: crc32ToBase64(formatCrc32(this.#source.crc)) }
          : { ChecksumAlgorithm: "CRC32" }),
      }),
    };
  }
}
