import { createHash, createHmac } from "node:crypto";
import { type IncomingHttpHeaders, request } from "node:http";
import type { Sandbox } from "../src/index.ts";

/** A signer of its own, written from the published steps and independent of the code under test. */
export interface Signing {
  accessKeyId: string;
  secretAccessKey: string;
  region: string;
  date: Date;
}

const hash = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, data: string): Buffer => createHmac("sha256", key).update(data).digest();
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function stamp(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

function derive({ secretAccessKey, region, date }: Signing): Buffer {
  return [region, "s3", "aws4_request"].reduce(
    (key, step) => hmac(key, step),
    hmac(`AWS4${secretAccessKey}`, stamp(date).slice(0, 8)),
  );
}

function scope({ region, date }: Signing): string {
  return `${stamp(date).slice(0, 8)}/${region}/s3/aws4_request`;
}

function canonicalQuery(query: [string, string][]): string {
  return query
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join("&");
}

export interface Unsigned {
  method: string;
  path: string;
  query?: [string, string][];
  headers: Record<string, string>;
  payloadHash: string;
}

function signature(
  signing: Signing,
  { method, path, query = [], headers, payloadHash }: Unsigned,
): { value: string; names: string } {
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    path,
    canonicalQuery(query),
    ...names.map((name) => `${name}:${headers[name]}`),
    "",
    names.join(";"),
    payloadHash,
  ].join("\n");
  const text = `AWS4-HMAC-SHA256\n${stamp(signing.date)}\n${scope(signing)}\n${hash(canonical)}`;
  return { value: hmac(derive(signing), text).toString("hex"), names: names.join(";") };
}

/** Headers with date, payload hash and Authorization added. */
export function signHeaders(
  signing: Signing,
  unsigned: Unsigned,
): { headers: Record<string, string>; signature: string } {
  const headers = {
    ...unsigned.headers,
    "x-amz-date": stamp(signing.date),
    "x-amz-content-sha256": unsigned.payloadHash,
  };
  const { value, names } = signature(signing, { ...unsigned, headers });
  const authorization = `AWS4-HMAC-SHA256 Credential=${signing.accessKeyId}/${scope(signing)}, SignedHeaders=${names}, Signature=${value}`;
  return { headers: { ...headers, authorization }, signature: value };
}

/** Path and query of a presigned URL. */
export function presign(
  signing: Signing,
  options: { method: string; path: string; host: string; expires: number; query?: [string, string][] },
): string {
  const query: [string, string][] = [
    ...(options.query ?? []),
    ["X-Amz-Algorithm", "AWS4-HMAC-SHA256"],
    ["X-Amz-Credential", `${signing.accessKeyId}/${scope(signing)}`],
    ["X-Amz-Date", stamp(signing.date)],
    ["X-Amz-Expires", String(options.expires)],
    ["X-Amz-SignedHeaders", "host"],
  ];
  const { value } = signature(signing, {
    method: options.method,
    path: options.path,
    query,
    headers: { host: options.host },
    payloadHash: "UNSIGNED-PAYLOAD",
  });
  return `${options.path}?${canonicalQuery(query)}&X-Amz-Signature=${value}`;
}

/** Body of a signed aws-chunked upload, with a signed trailer when one is given. */
export function signChunks(signing: Signing, seed: string, chunks: Uint8Array[], trailer?: [string, string]): Buffer {
  const key = derive(signing);
  let previous = seed;
  const sign = (kind: string, rest: string): string => {
    previous = hmac(
      key,
      `AWS4-HMAC-SHA256-${kind}\n${stamp(signing.date)}\n${scope(signing)}\n${previous}\n${rest}`,
    ).toString("hex");
    return previous;
  };
  const out: Uint8Array[] = [];
  for (const chunk of [...chunks, Buffer.alloc(0)]) {
    out.push(
      Buffer.from(`${chunk.length.toString(16)};chunk-signature=${sign("PAYLOAD", `${hash("")}\n${hash(chunk)}`)}\r\n`),
    );
    if (chunk.length > 0) out.push(chunk, Buffer.from("\r\n"));
  }
  if (trailer) {
    const line = `${trailer[0]}:${trailer[1]}`;
    out.push(Buffer.from(`${line}\r\nx-amz-trailer-signature:${sign("TRAILER", hash(`${line}\n`))}\r\n`));
  }
  out.push(Buffer.from("\r\n"));
  return Buffer.concat(out);
}

/** Body of an unsigned aws-chunked upload with a trailer. */
export function plainChunks(chunks: Uint8Array[], trailer?: [string, string]): Buffer {
  const framed = chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}\r\n`),
    chunk,
    Buffer.from("\r\n"),
  ]);
  const end = trailer ? `0\r\n${trailer[0]}:${trailer[1]}\r\n\r\n` : "0\r\n\r\n";
  return Buffer.concat([...framed, Buffer.from(end)]);
}

export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Content of `<Code>` in the body. */
  code: string | undefined;
}

/** Sends exactly these headers and bytes. */
export function raw(
  sandbox: Sandbox,
  options: { method: string; path: string; headers?: Record<string, string>; body?: Uint8Array },
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port: sandbox.port, agent: false, ...options }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const body = Buffer.concat(chunks);
        const code = /<Code>([^<]+)<\/Code>/.exec(body.toString("utf8"))?.[1];
        resolve({ status: answer.statusCode as number, headers: answer.headers, body, code });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(options.body);
  });
}

export function signingFor(sandbox: Sandbox, date = new Date()): Signing {
  const { accessKeyId, secretAccessKey } = sandbox.credentials;
  return { accessKeyId, secretAccessKey, region: sandbox.region, date };
}

export interface SendOptions {
  method?: string;
  path: string;
  query?: [string, string][];
  headers?: Record<string, string>;
  body?: Uint8Array;
  payloadHash?: string;
  signing?: Signing;
}

/** Signs and sends a request; extra headers are signed too. */
export function send(sandbox: Sandbox, options: SendOptions): Promise<RawAnswer> {
  const { method = "PUT", path, query = [], body = Buffer.alloc(0) } = options;
  const { headers } = signHeaders(options.signing ?? signingFor(sandbox), {
    method,
    path,
    query,
    headers: { host: `127.0.0.1:${sandbox.port}`, ...options.headers },
    payloadHash: options.payloadHash ?? hash(body),
  });
  const target = query.length > 0 ? `${path}?${canonicalQuery(query)}` : path;
  const length: Record<string, string> =
    method === "GET" || method === "HEAD" ? {} : { "content-length": String(body.length) };
  return raw(sandbox, { method, path: target, headers: { ...length, ...headers }, body });
}
