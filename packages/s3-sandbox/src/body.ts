import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import {
  type ChecksumAlgorithm,
  checksumHeader,
  createDigest,
  type Digest,
  declaredChecksum,
  isDigest,
  parseAlgorithm,
} from "./checksums.ts";
import { ChunkedDecoder } from "./chunked.ts";
import { ConnectionReset } from "./connection.ts";
import { S3Error } from "./errors.ts";
import type { FaultPlan } from "./faults.ts";
import type { RequestRecord } from "./requests.ts";
import type { Authentication } from "./signature.ts";

export interface Received {
  size: number;
  /** Raw MD5 of the payload. */
  md5: Buffer;
  /** Base64 checksums that were declared or asked for. */
  checksums: ReadonlyMap<ChecksumAlgorithm, string>;
  /** The algorithm that the client declared, if any. */
  declared: ChecksumAlgorithm | undefined;
}

/** The checks that a request's headers ask for. */
interface Expectation {
  md5: string | undefined;
  declared: { algorithm: ChecksumAlgorithm; value: string | undefined } | undefined;
  decodedLength: number | undefined;
}

const MAX_SINGLE_UPLOAD = 5 * 1024 ** 3;

export interface BodyOptions {
  message: IncomingMessage;
  parameters: ReadonlyMap<string, string>;
  authentication: Authentication;
  plan: FaultPlan;
  record: RequestRecord;
  /** Whether a checksum header is about the resulting object instead of the body, as on CompleteMultipartUpload. */
  checksumOfObject: boolean;
  /** Called once, just before the first byte is read: the place to send `100 Continue`. */
  onStart: () => void;
}

/** A request's body: decoded, counted and verified while it streams to where it is kept. */
export class Body {
  readonly #options: BodyOptions;

  constructor(options: BodyOptions) {
    this.#options = options;
  }

  /**
   * Streams the payload into `write` and verifies every digest that the request declares.
   * When it throws, what was written must be thrown away.
   *
   * @param wanted algorithms to compute even when the client declares none
   * @throws S3Error BadDigest, InvalidDigest, InvalidRequest, IncompleteBody, SignatureDoesNotMatch, …
   */
  async receive(
    write: (chunk: Buffer) => void | Promise<void>,
    wanted: readonly ChecksumAlgorithm[] = [],
  ): Promise<Received> {
    const { authentication, plan, record } = this.#options;
    const expected = this.#expectation();
    const digests = new Map<ChecksumAlgorithm, Digest>();
    for (const algorithm of wanted) digests.set(algorithm, createDigest(algorithm));
    if (expected.declared) digests.set(expected.declared.algorithm, createDigest(expected.declared.algorithm));
    const md5 = createHash("md5");
    const sha256 = authentication.payload.kind === "hash" ? createHash("sha256") : undefined;
    const decoder = this.#decoder();
    const corrupt = plan.find("corruptByte");
    let size = 0;
    for await (const raw of this.#read()) {
      for (const signed of decoder ? decoder.push(raw) : [raw]) {
        sha256?.update(signed);
        const flipped = corrupt ? flipByte(signed, (corrupt.offset ?? 0) - size) : signed;
        const checked = corrupt?.stored ? signed : flipped;
        md5.update(checked);
        for (const digest of digests.values()) digest.update(checked);
        size += signed.length;
        record.payloadBytes = size;
        if (size > MAX_SINGLE_UPLOAD) throw new S3Error("EntityTooLarge");
        await write(flipped);
      }
    }
    decoder?.finish();
    checkPayloadHash(authentication, sha256?.digest("hex"));
    const result: Received = {
      size,
      md5: md5.digest(),
      checksums: new Map([...digests].map(([algorithm, digest]) => [algorithm, digest.digest().toString("base64")])),
      declared: expected.declared?.algorithm,
    };
    verify(expected, result, decoder?.trailers);
    return result;
  }

  /** A whole small body, such as an XML document. Throws MalformedXML beyond `limit` bytes. */
  async text(limit = 8 * 1024 * 1024): Promise<{ text: string; received: Received }> {
    const chunks: Buffer[] = [];
    let size = 0;
    const received = await this.receive((chunk) => {
      size += chunk.length;
      if (size > limit) throw new S3Error("MalformedXML", { message: `The request body exceeds ${limit} bytes.` });
      chunks.push(chunk);
    });
    return { text: Buffer.concat(chunks).toString("utf8"), received };
  }

  #expectation(): Expectation {
    const { parameters, authentication } = this.#options;
    const header = (name: string): string | undefined => parameters.get(name);
    const md5 = header("content-md5");
    if (md5 !== undefined && !/^[A-Za-z0-9+/]{22}==$/.test(md5)) throw new S3Error("InvalidDigest");
    const declared = this.#options.checksumOfObject ? undefined : declaredChecksum(parameters);
    if (declared && !isDigest(declared.algorithm, declared.value)) {
      throw new S3Error("InvalidRequest", {
        message: `Value for ${checksumHeader(declared.algorithm)} header is invalid.`,
      });
    }
    const trailing = this.#trailingAlgorithm();
    if (declared && trailing) {
      throw new S3Error("InvalidRequest", {
        message: "A checksum may be sent as a header or as a trailer, not as both.",
      });
    }
    if (header("x-amz-sdk-checksum-algorithm") !== undefined && !declared && !trailing) {
      throw new S3Error("InvalidRequest", {
        message:
          "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
      });
    }
    const decoded = header("x-amz-decoded-content-length");
    const chunked = authentication.payload.kind === "chunked";
    if (chunked && !/^\d{1,15}$/.test(decoded ?? "")) throw new S3Error("MissingContentLength");
    const length = Number(chunked ? decoded : (header("content-length") ?? 0));
    if (length > MAX_SINGLE_UPLOAD) {
      throw new S3Error("EntityTooLarge", {
        details: { ProposedSize: String(length), MaxSizeAllowed: String(MAX_SINGLE_UPLOAD) },
      });
    }
    return {
      md5,
      declared: declared ?? (trailing && { algorithm: trailing, value: undefined }),
      decodedLength: chunked ? length : undefined,
    };
  }

  #trailingAlgorithm(): ChecksumAlgorithm | undefined {
    const { payload } = this.#options.authentication;
    const announced = this.#options.parameters.get("x-amz-trailer");
    if (announced === undefined) return undefined;
    const match = /^x-amz-checksum-(\w+)$/i.exec(announced.trim());
    if (!match)
      throw new S3Error("InvalidRequest", {
        message: "The value specified in the x-amz-trailer header is not supported",
      });
    if (payload.kind !== "chunked" || !payload.trailer) {
      throw new S3Error("InvalidRequest", { message: "x-amz-trailer needs a streaming payload with a trailer." });
    }
    return parseAlgorithm(match[1] as string);
  }

  #decoder(): ChunkedDecoder | undefined {
    const { payload, chunkSigner } = this.#options.authentication;
    if (payload.kind !== "chunked") return undefined;
    return new ChunkedDecoder({ trailer: payload.trailer, ...(payload.signed ? { signer: chunkSigner } : {}) });
  }

  /** Body bytes as they arrive. Leaving the loop early keeps the connection, so that an error can still be answered. */
  async *#read(): AsyncGenerator<Buffer> {
    const { message, plan, record, onStart } = this.#options;
    const resetAfter = plan.find("resetMidBody")?.afterBytes;
    onStart();
    for await (const chunk of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      record.bytesReceived += chunk.length;
      if (resetAfter !== undefined && record.bytesReceived >= resetAfter) throw new ConnectionReset();
      yield chunk;
    }
    if (resetAfter !== undefined && record.bytesReceived > 0) throw new ConnectionReset();
  }
}

/** The chunk itself, or a copy with one bit of the byte at `at` flipped when `at` lies inside it. */
export function flipByte(chunk: Buffer, at: number): Buffer {
  if (at < 0 || at >= chunk.length) return chunk;
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

function checkPayloadHash({ payload }: Authentication, computed: string | undefined): void {
  if (payload.kind !== "hash" || payload.sha256 === computed) return;
  throw new S3Error("XAmzContentSHA256Mismatch", {
    details: { ClientComputedContentSHA256: payload.sha256, S3ComputedContentSHA256: String(computed) },
  });
}

function verify(expected: Expectation, received: Received, trailers: ReadonlyMap<string, string> | undefined): void {
  if (expected.decodedLength !== undefined && expected.decodedLength !== received.size) {
    throw new S3Error("IncompleteBody", {
      message: `The decoded body has ${received.size} bytes; x-amz-decoded-content-length says ${expected.decodedLength}.`,
    });
  }
  const md5 = received.md5.toString("base64");
  if (expected.md5 !== undefined && expected.md5 !== md5) {
    throw new S3Error("BadDigest", {
      message: "The Content-MD5 you specified did not match what we received.",
      details: { ExpectedDigest: expected.md5, CalculatedDigest: md5 },
    });
  }
  if (!expected.declared) {
    if (trailers && trailers.size > 0)
      throw new S3Error("MalformedTrailerError", { message: "A trailer was sent but not announced." });
    return;
  }
  const { algorithm } = expected.declared;
  const value = expected.declared.value ?? trailers?.get(checksumHeader(algorithm));
  if (value === undefined) throw new S3Error("MalformedTrailerError", { message: "The announced trailer is missing." });
  if (!isDigest(algorithm, value)) {
    throw new S3Error("InvalidRequest", {
      message: `Value for ${checksumHeader(algorithm)} trailing header is invalid.`,
    });
  }
  if (value !== received.checksums.get(algorithm)) {
    throw new S3Error("BadDigest", {
      message: `The ${algorithm} you specified did not match the calculated checksum.`,
    });
  }
}
