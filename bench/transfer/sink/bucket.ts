import { listing } from "./listing.ts";
import { checksumsOf, type Request } from "./request.ts";

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string;
}

export interface Content {
  readonly size: number;
  /** Bytes on the wire: never fewer than the size. */
  readonly received: number;
  readonly tail: string;
}

export interface StoredObject {
  readonly size: number;
  readonly etag: string;
  readonly modified: Date;
  /** Checksums and user metadata, as they are to be answered. */
  readonly headers: Readonly<Record<string, string>>;
}

interface Multipart {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<
    number,
    { readonly size: number; readonly etag: string; readonly checksums: Map<string, string> }
  >;
}

export interface Counts {
  requests: number;
  /** Bytes of content in PUT requests, those that were sent in vain included. */
  bytesReceived: number;
}

/** A path is a bucket, a slash and a key; a bucket alone is no object. */
const OBJECT_PATH = /^\/[^/]+\/.+/;
/** What is no MD5 must not look like one, or clients would compare it. */
const NOT_MD5 = '"sink-1"';

/** Remembers what was put, without the bytes, and answers what the clients ask. */
export class Bucket {
  readonly objects = new Map<string, StoredObject>();
  readonly #multiparts = new Map<string, Multipart>();
  counts: Counts = { requests: 0, bytesReceived: 0 };
  #ids = 0;
  #sorted: readonly string[] | undefined;

  clear(): void {
    this.objects.clear();
    this.#sorted = undefined;
    this.#multiparts.clear();
    this.clearCounts();
  }

  clearCounts(): void {
    this.counts = { requests: 0, bytesReceived: 0 };
  }

  answer(request: Request, content: Content): Answer {
    this.counts.requests++;
    if (content.received < content.size) return problem(400, "IncompleteBody");
    const { method, path, query } = request;
    const isObject = OBJECT_PATH.test(path);
    if (method === "PUT") return isObject ? this.#put(request, content) : { status: 200 };
    if (method === "HEAD") return isObject ? this.#head(path) : { status: 200 };
    if (method === "POST" && query.has("uploads")) return this.#create(request);
    if (method === "POST" && query.has("uploadId")) return this.#complete(request);
    if (method === "DELETE") return this.#delete(request);
    if (method === "GET" && query.has("uploadId")) return this.#listParts(request);
    if (method === "GET" && !isObject) return this.#about(request);
    return problem(501, "NotImplemented");
  }

  #put(request: Request, { size, tail }: Content): Answer {
    this.counts.bytesReceived += size;
    const checksums = checksumsOf(request, tail);
    const etag = etagOf(request);
    const headers = { ETag: etag, ...Object.fromEntries(checksums) };
    const id = request.query.get("uploadId");
    if (id === null) {
      const type = checksums.size > 0 ? { "x-amz-checksum-type": "FULL_OBJECT" } : {};
      const kept = { ...Object.fromEntries(checksums), ...type, ...metadataOf(request) };
      this.#sorted = undefined;
      this.objects.set(request.path, { size, etag, modified: new Date(), headers: kept });
      return { status: 200, headers };
    }
    const multipart = this.#multiparts.get(id);
    if (!multipart) return problem(404, "NoSuchUpload");
    multipart.parts.set(Number(request.query.get("partNumber")), { size, etag, checksums });
    return { status: 200, headers };
  }

  #head(path: string): Answer {
    const object = this.objects.get(path);
    if (!object) return { status: 404 };
    const { size, etag, modified, headers } = object;
    const facts = { "Content-Length": size, ETag: etag, "Last-Modified": modified.toUTCString() };
    return { status: 200, headers: { ...facts, "Accept-Ranges": "bytes", ...headers } };
  }

  #create(request: Request): Answer {
    const id = `upload-${++this.#ids}`;
    this.#multiparts.set(id, { path: request.path, headers: metadataOf(request), parts: new Map() });
    return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }

  #complete(request: Request): Answer {
    const id = request.query.get("uploadId") ?? "";
    const multipart = this.#multiparts.get(id);
    if (!multipart) return problem(404, "NoSuchUpload");
    this.#multiparts.delete(id);
    const size = [...multipart.parts.values()].reduce((sum, part) => sum + part.size, 0);
    const checksums = checksumsOf(request, "");
    const full = checksums.size > 0 ? { ...Object.fromEntries(checksums), "x-amz-checksum-type": "FULL_OBJECT" } : {};
    const headers = { ...full, ...multipart.headers };
    this.#sorted = undefined;
    this.objects.set(multipart.path, { size, etag: NOT_MD5, modified: new Date(), headers });
    const crc32 = checksums.get("x-amz-checksum-crc32");
    const checked =
      crc32 === undefined ? "" : `<ChecksumCRC32>${crc32}</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>`;
    return xml(
      `<CompleteMultipartUploadResult><ETag>${NOT_MD5.replaceAll('"', "&quot;")}</ETag>${checked}</CompleteMultipartUploadResult>`,
    );
  }

  #delete({ path, query }: Request): Answer {
    const id = query.get("uploadId");
    if (id !== null) return this.#multiparts.delete(id) ? { status: 204 } : problem(404, "NoSuchUpload");
    this.#sorted = undefined;
    this.objects.delete(path);
    return { status: 204 };
  }

  /** All parts at once: no client here needs pages of them. */
  #listParts({ query }: Request): Answer {
    const multipart = this.#multiparts.get(query.get("uploadId") ?? "");
    if (!multipart) return problem(404, "NoSuchUpload");
    const parts = [...multipart.parts].map(([number, { size, etag, checksums }]) => {
      const crc32 = checksums.get("x-amz-checksum-crc32");
      const checksum = crc32 === undefined ? "" : `<ChecksumCRC32>${crc32}</ChecksumCRC32>`;
      const quoted = etag.replaceAll('"', "&quot;");
      return `<Part><PartNumber>${number}</PartNumber><ETag>${quoted}</ETag><Size>${size}</Size>${checksum}</Part>`;
    });
    return xml(`<ListPartsResult><IsTruncated>false</IsTruncated>${parts.join("")}</ListPartsResult>`);
  }

  #about(request: Request): Answer {
    if (request.query.has("location")) return xml("<LocationConstraint></LocationConstraint>");
    if (request.path === "/") return xml("<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>");
    if (request.query.has("uploads")) {
      return xml("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>");
    }
    this.#sorted ??= [...this.objects.keys()].sort();
    return xml(listing(request, this.objects, this.#sorted));
  }
}

function metadataOf({ headers }: Request): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of headers) if (name.startsWith("x-amz-meta-")) found[name] = value;
  return found;
}

/** S3 answers with the MD5 of a body; here it is known only from those who send it. */
function etagOf({ headers }: Request): string {
  const md5 = headers.get("content-md5");
  return md5 === undefined ? NOT_MD5 : `"${Buffer.from(md5, "base64").toString("hex")}"`;
}

function xml(body: string): Answer {
  return {
    status: 200,
    headers: { "Content-Type": "application/xml" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
  };
}

function problem(status: number, code: string): Answer {
  return { ...xml(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`), status };
}
