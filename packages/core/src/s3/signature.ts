import { createHmac, hash } from "node:crypto";

/** What signs a request. */
export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** Which region and service a signature is for. */
export interface SigningScope {
  readonly region: string;
  readonly service: string;
}

/** A header's name in lower case, and its value. */
export type Header = readonly [name: string, value: string];

/** A request as it is signed. Path and query are percent-encoded already, the query's parameters in order of their names. */
export interface SignableRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** All headers that are sent, `host` and `x-amz-date` included, in order of their names. */
  readonly headers: readonly Header[];
  /** SHA-256 of the body in hex, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

/**
 * Headers that a proxy may change or that the SDK leaves out of its signatures, and so do we: what the store has been
 * shown to take stays the same. (`@smithy/signature-v4`, constants)
 */
const UNSIGNED: ReadonlySet<string> = new Set(
  (
    "authorization cache-control connection expect from keep-alive max-forwards pragma referer te trailer " +
    "transfer-encoding upgrade user-agent x-amzn-trace-id"
  ).split(" "),
);

function isSigned(name: string): boolean {
  return !UNSIGNED.has(name) && !name.startsWith("proxy-") && !name.startsWith("sec-");
}

/**
 * Signs requests with AWS Signature Version 4 (S3 API reference, "Signature Calculations for the Authorization Header:
 * Transferring Payload in a Single Chunk"). As S3 wants it, the path is signed as it is sent: neither normalised nor
 * encoded twice. The signing key, four HMACs, is made once per day, region and credentials.
 */
export class RequestSigner {
  #secret = "";
  #scope = "";
  #key: HmacKey | undefined;
  #second = Number.NaN;
  #date = "";

  /** The time as `x-amz-date` writes it. */
  dateOf(milliseconds: number): string {
    const second = Math.floor(milliseconds / 1000);
    if (second !== this.#second) {
      this.#date = new Date(second * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
      this.#second = second;
    }
    return this.#date;
  }

  /** The value of the `authorization` header. @param date as `x-amz-date` has it */
  authorization(request: SignableRequest, by: SigningCredentials, { region, service }: SigningScope, date: string) {
    let canonical = "";
    let signed = "";
    for (const [name, value] of request.headers) {
      if (!isSigned(name)) continue;
      canonical += `${name}:${/\s/.test(value) ? singleSpaced(value) : value}\n`;
      signed += signed === "" ? name : `;${name}`;
    }
    const { method, path, query, payloadHash } = request;
    const scope = `${date.slice(0, 8)}/${region}/${service}/aws4_request`;
    const digest = hash("sha256", `${method}\n${path}\n${query}\n${canonical}\n${signed}\n${payloadHash}`);
    const key = this.#keyOf(by.secretAccessKey, scope);
    const signature = key.sign(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${digest}`);
    return `AWS4-HMAC-SHA256 Credential=${by.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  }

  #keyOf(secret: string, scope: string): HmacKey {
    if (this.#key && scope === this.#scope && secret === this.#secret) return this.#key;
    let key: Buffer = Buffer.from(`AWS4${secret}`);
    for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
    this.#secret = secret;
    this.#scope = scope;
    this.#key = new HmacKey(key);
    return this.#key;
  }
}

const BLOCK = 64;

/**
 * HMAC-SHA-256 with a key of at most one block (RFC 2104): two hashes, which cost half of what the objects take that
 * Node.js makes for every HMAC.
 */
class HmacKey {
  #inner: Buffer;
  readonly #outer: Buffer;

  constructor(key: Uint8Array) {
    const block = (pad: number) => Buffer.alloc(BLOCK, pad).map((byte, index) => byte ^ (key[index] ?? 0));
    this.#inner = Buffer.from(block(0x36));
    this.#outer = Buffer.concat([block(0x5c), Buffer.alloc(32)]);
  }

  /** @param text every character of it is a byte @returns in hex */
  sign(text: string): string {
    const length = BLOCK + text.length;
    if (this.#inner.length < length) this.#inner = Buffer.concat([this.#inner.subarray(0, BLOCK)], 2 * length);
    this.#inner.write(text, BLOCK, "latin1");
    this.#outer.write(hash("sha256", this.#inner.subarray(0, length), "binary"), BLOCK, "latin1");
    return hash("sha256", this.#outer);
  }
}

function singleSpaced(value: string): string {
  return value
    .replace(/[\r\n]/g, " ")
    .replace(/[ \t]+/g, " ")
    .replace(/^ | $/g, "");
}

/** A part of a path or query as RFC 3986 encodes it; "/" too. */
export function encodeUri(text: string): string {
  const encoded = encodeURIComponent(text);
  if (!/[!'()*]/.test(encoded)) return encoded;
  return encoded.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
