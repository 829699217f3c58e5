import { hash } from "node:crypto";
import type { S3Client } from "@aws-sdk/client-s3";
import { systemClock } from "../clock.ts";
import type { WriteAnswer } from "./answers.ts";
import type { Connections } from "./connections.ts";
import type { DataPath, PartInput, PutInput, WriteOptions } from "./data-path.ts";
import { type BucketTarget, resolveTarget } from "./endpoint.ts";
import { Exchange } from "./exchange.ts";
import { type AnswerHeaders, Refusal } from "./refusal.ts";
import { encodeUri, type Header, RequestSigner } from "./signature.ts";

/** Which header each member of an input becomes (S3 API reference, PutObject and UploadPart). */
const HEADER_OF = Object.entries({
  ACL: "x-amz-acl",
  CacheControl: "cache-control",
  ChecksumCRC32: "x-amz-checksum-crc32",
  ContentDisposition: "content-disposition",
  ContentEncoding: "content-encoding",
  ContentLanguage: "content-language",
  ContentMD5: "content-md5",
  ExpectedBucketOwner: "x-amz-expected-bucket-owner",
  IfMatch: "if-match",
  IfNoneMatch: "if-none-match",
  SSEKMSKeyId: "x-amz-server-side-encryption-aws-kms-key-id",
  ServerSideEncryption: "x-amz-server-side-encryption",
  StorageClass: "x-amz-storage-class",
  Tagging: "x-amz-tagging",
} as const) as readonly (readonly [keyof PutInput & keyof Partial<PutInput>, string])[];

/** What no header may hold (RFC 9110, 5.5): whoever could put it there could put whole headers there. */
const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/;

/** An answer that took longer than this says nothing about the clock. As the SDK has it. */
const LONGEST_WAIT_MS = 900_000;

export interface DirectPathOptions {
  readonly client: S3Client;
  readonly connections: Pick<Connections, "send" | "close">;
  /** Whether bodies are part of the signature over https, too. */
  readonly signBodies: boolean;
  /** Takes what the direct path cannot. */
  readonly sdk: DataPath;
}

/**
 * PutObject and UploadPart without the SDK's machinery, which costs about a millisecond of processor time per request.
 * The SDK says where requests go and with which credentials; what is sent is byte for byte what it would send, but for its
 * invocation ids. Its correction of the clock is shared with it, in both directions.
 */
export class DirectPath implements DataPath {
  readonly #client: S3Client;
  readonly #connections: Pick<Connections, "send" | "close">;
  readonly #signBodies: boolean;
  readonly #sdk: DataPath;
  readonly #signer = new RequestSigner();
  readonly #targets = new Map<string, Promise<BucketTarget | undefined>>();
  /** Buckets for which bodies are part of the signature. */
  readonly #signed = new Set<string>();
  #lastDate: string | undefined;

  constructor({ client, connections, signBodies, sdk }: DirectPathOptions) {
    this.#client = client;
    this.#connections = connections;
    this.#signBodies = signBodies;
    this.#sdk = sdk;
  }

  usesSha256(bucket: string): boolean {
    return this.#signed.has(bucket);
  }

  async putObject(input: PutInput, options: WriteOptions): Promise<WriteAnswer> {
    const target = await this.#targetOf(input);
    if (!target) return this.#sdk.putObject(input, options);
    const headers = headersOf(input, input.ContentType || undefined);
    for (const name in input.Metadata) headers.push([`x-amz-meta-${name}`, input.Metadata[name] as string]);
    return this.#send(target, input, "x-id=PutObject", headers, options);
  }

  async uploadPart(input: PartInput, options: WriteOptions): Promise<WriteAnswer> {
    const target = await this.#targetOf(input);
    if (!target) return this.#sdk.uploadPart(input, options);
    const upload = encodeUri(input.UploadId ?? "");
    const query = `partNumber=${input.PartNumber}&uploadId=${upload}&x-id=UploadPart`;
    return this.#send(target, input, query, headersOf(input, undefined), options);
  }

  async close(): Promise<void> {
    this.#connections.close();
  }

  /** Asked once per bucket, and again only when that failed. */
  async #targetOf({ Bucket = "", Key }: PutInput | PartInput): Promise<BucketTarget | undefined> {
    // Refused by the SDK before it sends anything.
    if (!Key) return undefined;
    const known = this.#targets.get(Bucket);
    if (known !== undefined) return known;
    const target = resolveTarget(this.#client, Bucket);
    this.#targets.set(Bucket, target);
    target.then(
      (found) => found && this.#signs(found) && this.#signed.add(Bucket),
      () => this.#targets.delete(Bucket),
    );
    return target;
  }

  #signs({ secure }: BucketTarget): boolean {
    return !secure || this.#signBodies;
  }

  async #send(
    target: BucketTarget,
    { Key = "", Body: body }: PutInput | PartInput,
    query: string,
    headers: Header[],
    { abortSignal: signal, sha256 }: WriteOptions,
  ): Promise<WriteAnswer> {
    const path = target.basePath + encodeKey(Key);
    const credentials = await this.#client.config.credentials();
    signal?.throwIfAborted();
    const payloadHash = this.#signs(target) ? (sha256 ?? hash("sha256", body)) : "UNSIGNED-PAYLOAD";
    const sentAt = systemClock.now();
    const date = this.#signer.dateOf(sentAt + this.#client.config.systemClockOffset);
    headers.push(...target.headers, ["content-length", `${body.length}`]);
    headers.push(["x-amz-content-sha256", payloadHash], ["x-amz-date", date]);
    if (credentials.sessionToken) headers.push(["x-amz-security-token", credentials.sessionToken]);
    headers.sort(byName);
    for (const [, value] of headers) if (UNSENDABLE.test(value)) throw new UnsendableHeader();
    const signable = { method: "PUT", path, query, headers, payloadHash };
    const authorization = this.#signer.authorization(signable, credentials, target.scope, date);
    let head = `PUT ${path}?${query} HTTP/1.1\r\nauthorization: ${authorization}\r\nconnection: keep-alive\r\n`;
    for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
    const exchange = new Exchange({ origin: target.origin, head: `${head}\r\n`, body });
    const answer = await this.#answerOf(exchange, sentAt, signal);
    return {
      ETag: answer.etag,
      VersionId: answer["x-amz-version-id"],
      ChecksumCRC32: answer["x-amz-checksum-crc32"],
      ChecksumType: answer["x-amz-checksum-type"],
    };
  }

  async #answerOf(exchange: Exchange, sentAt: number, signal: AbortSignal | undefined): Promise<AnswerHeaders> {
    const stop = () => exchange.stop(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      this.#connections.send(exchange);
      const headers = await exchange.answer;
      this.#followClock(headers, sentAt);
      return headers;
    } catch (error) {
      if (error instanceof Refusal) this.#followClock(error.$response.headers, sentAt);
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /**
   * As the SDK does after every answer: the store's clock is the one that signatures are checked by. An answer with an Age
   * is an older one that a cache has kept.
   */
  #followClock({ date, age }: AnswerHeaders, sentAt: number): void {
    if (date === undefined || date === this.#lastDate || age !== undefined) return;
    const now = systemClock.now();
    const offset = Date.parse(date) - now;
    if (Number.isNaN(offset) || now - sentAt > LONGEST_WAIT_MS) return;
    this.#lastDate = date;
    this.#client.config.systemClockOffset = offset;
  }
}

function headersOf(input: PutInput | PartInput, contentType: string | undefined): Header[] {
  const headers: Header[] = [["content-type", contentType ?? "application/octet-stream"]];
  for (const [member, name] of HEADER_OF) {
    const value = (input as PutInput)[member];
    if (value !== undefined) headers.push([name, value as string]);
  }
  return headers;
}

function encodeKey(key: string): string {
  return encodeUri(key).replaceAll("%2F", "/");
}

function byName([a]: Header, [b]: Header): number {
  return a < b ? -1 : 1;
}

/** With the code that Node.js gives it. Which value it is may be a secret. */
class UnsendableHeader extends TypeError {
  readonly code = "ERR_INVALID_CHAR";

  constructor() {
    super("a header of the request holds a character that none may hold.");
  }
}
