import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
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
} from "@bucketline/core";
import { checksumOf, Measured, until } from "./body.ts";
import { type BodyFacts, readBody, readEntry, syncFolder, writeEntry } from "./entry.ts";
import { type BegunMultipart, BucketLayout, type StoredObject } from "./layout.ts";
import { codeOf, refusal, type Target, translated } from "./refusals.ts";

const GIB = 2 ** 30;
/** It becomes the name of a folder, and must not lead anywhere else. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{2,62}$/;

type Request = Pick<ObjectAddress, "bucket" | "signal"> & { readonly key?: string };

/** An ObjectStore that keeps buckets in a folder. Several processes may use the folder at once. */
export class FolderObjectStore implements ObjectStore {
  /** Two processes cannot compare and replace a file in one step, so there are no conditional writes. */
  readonly capabilities: ObjectStoreCapabilities = {
    checksums: true,
    conditionalWrites: false,
    maxPutSize: GIB,
    minPartSize: 1,
    maxPartSize: GIB,
    maxParts: 10_000,
  };
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async createBucket(bucket: string): Promise<void> {
    const target = { operation: "createBucket", bucket };
    if (!BUCKET.test(bucket)) throw refusal(target, "rejected", "that is no name of a bucket.");
    await translated(target, true, () => this.#layout(bucket).create());
  }

  async checkBucket(request: Request): Promise<void> {
    await this.#enter("checkBucket", request, async () => {});
  }

  async headObject(request: ObjectAddress): Promise<ObjectFacts | undefined> {
    return await this.#enter("headObject", request, async (layout) => {
      const found = await readEntry<StoredObject>(layout.object(request.key));
      if (!found) return undefined;
      const { size, etag, checksum, token } = found.facts;
      return { size, etag, checksum, token };
    });
  }

  /** Holds the facts of all objects below the prefix: a folder of files has no order of keys. */
  async *listObjects(request: ListObjectsRequest): AsyncGenerator<ListedObject> {
    const { prefix, after = "", signal } = request;
    const found = await this.#enter("listObjects", request, (layout) => layout.objectsBelow(prefix));
    for (const { key, size, etag } of found) {
      if (Buffer.compare(Buffer.from(key), Buffer.from(after)) <= 0) continue;
      signal?.throwIfAborted();
      yield { key, size, etag };
    }
  }

  async putObject(request: PutObjectRequest): Promise<WriteReceipt> {
    return await this.#enter("putObject", request, async (layout, target) => {
      const { key, body, checksum, token, settings } = request;
      refuseCondition(target, request.condition);
      refuseKey(target, key);
      const facts = bodyFacts(target, body, checksum, this.capabilities.maxPutSize);
      await writeEntry(layout.object(key), layout.scratch, { key, token, settings, ...facts }, [body]);
      return { etag: facts.etag, checksum };
    });
  }

  async putStream(request: PutStreamRequest): Promise<WriteReceipt & { readonly size: number }> {
    return await this.#enter("putStream", request, async (layout, target) => {
      const { key, token, settings, partSize, signal } = request;
      refuseKey(target, key);
      if (partSize < this.capabilities.minPartSize || partSize > this.capabilities.maxPartSize)
        throw refusal(target, "rejected", `parts of ${partSize} bytes are not allowed.`);
      // Size and checksum stand before the bytes, and are known after them: they are written twice.
      const spool = join(layout.scratch, randomUUID());
      try {
        const measured = new Measured(until(signal, request.body));
        await writeEntry(spool, layout.scratch, {}, measured);
        const { size, checksum } = measured;
        const etag = randomUUID();
        const spooled = await readEntry(spool);
        if (!spooled) throw refusal(target, "transient", "somebody has emptied the folder for unfinished files.");
        const facts: StoredObject = { key, token, settings, size, etag, checksum };
        await writeEntry(layout.object(key), layout.scratch, facts, readBody(spool, spooled));
        return { etag, checksum, size };
      } finally {
        await rm(spool, { force: true });
      }
    });
  }

  async deleteObject(request: DeleteObjectRequest): Promise<DeleteOutcome> {
    return await this.#enter("deleteObject", request, async (layout) => {
      const path = layout.object(request.key);
      const found = await readEntry<StoredObject>(path);
      if (!found) return "absent";
      if (found.facts.etag !== request.ifMatch) return "changed";
      await rm(path, { force: true });
      await syncFolder(layout.objects);
      return "deleted";
    });
  }

  async createMultipart(request: CreateMultipartRequest): Promise<{ readonly multipartId: string }> {
    return await this.#enter("createMultipart", request, async (layout, target) => {
      const { key, token, settings } = request;
      refuseKey(target, key);
      const multipartId = randomUUID();
      const facts: BegunMultipart = { key, token, settings, initiatedAt: Date.now() };
      await mkdir(layout.multipart(multipartId));
      await writeEntry(layout.begin(multipartId), layout.scratch, facts, []);
      await syncFolder(layout.multiparts);
      return { multipartId };
    });
  }

  async uploadPart(request: UploadPartRequest): Promise<WriteReceipt> {
    return await this.#enter("uploadPart", request, async (layout, target) => {
      const { multipartId, partNumber, body, checksum } = request;
      if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > this.capabilities.maxParts)
        throw refusal(target, "rejected", `part number ${partNumber} is out of range.`);
      await begunOf(layout, target, request);
      const facts = bodyFacts(target, body, checksum, this.capabilities.maxPartSize);
      try {
        await writeEntry(layout.part(multipartId, partNumber), layout.scratch, facts, [body]);
      } catch (error) {
        // Aborted or completed meanwhile: its folder is gone.
        if (codeOf(error) === "ENOENT") await begunOf(layout, target, request);
        throw error;
      }
      return { etag: facts.etag, checksum };
    });
  }

  async listParts(request: MultipartAddress): Promise<ListedPart[]> {
    return await this.#enter("listParts", request, async (layout, target) => {
      await begunOf(layout, target, request);
      const names = await readdir(layout.multipart(request.multipartId));
      const parts: ListedPart[] = [];
      for (const partNumber of names.filter((name) => name !== "begin").map(Number)) {
        const part = await readEntry<BodyFacts>(layout.part(request.multipartId, partNumber));
        if (part) parts.push({ partNumber, ...part.facts });
      }
      return parts.sort((a, b) => a.partNumber - b.partNumber);
    });
  }

  async completeMultipart(request: CompleteMultipartRequest): Promise<WriteReceipt> {
    return await this.#enter("completeMultipart", request, async (layout, target) => {
      refuseCondition(target, request.condition);
      const { multipartId, parts, size, checksum } = request;
      const { key, token, settings } = await begunOf(layout, target, request);
      if (parts.length === 0) throw refusal(target, "rejected", "no parts were named.");
      const paths = parts.map(({ partNumber }) => layout.part(multipartId, partNumber));
      if (parts.some(({ partNumber }, index) => partNumber <= (parts[index - 1]?.partNumber ?? 0)))
        throw refusal(target, "rejected", "the parts are not in ascending order.");
      const etag = randomUUID();
      const body = new Measured(partsInOrder(target, parts, paths));
      async function* checked() {
        yield* body;
        // Before the file gets its name, so that nothing wrong is ever seen.
        if (body.size !== size || body.checksum !== checksum)
          throw refusal(target, "integrity", "the parts do not make the object that was announced.");
      }
      const facts: StoredObject = { key, token, settings, size, etag, checksum };
      await writeEntry(layout.object(key), layout.scratch, facts, checked());
      await forget(layout, multipartId);
      return { etag, checksum };
    });
  }

  async abortMultipart(request: MultipartAddress): Promise<void> {
    await this.#enter("abortMultipart", request, async (layout) => {
      if (await layout.begun(request.multipartId, request.key)) await forget(layout, request.multipartId);
    });
  }

  async *listMultiparts(request: ListRequest): AsyncGenerator<ListedMultipart> {
    const { prefix, signal } = request;
    const found = await this.#enter("listMultiparts", request, (layout) => layout.multipartsBelow(prefix));
    for (const { key, multipartId, initiatedAt } of found) {
      signal?.throwIfAborted();
      yield { key, multipartId, initiatedAt };
    }
  }

  async close(): Promise<void> {}

  #layout(bucket: string): BucketLayout {
    return new BucketLayout(this.#root, bucket);
  }

  /** Every call: an aborted one does nothing, a missing bucket is named, errors are ObjectStoreErrors. */
  async #enter<T>(
    operation: string,
    { bucket, key, signal }: Request,
    call: (layout: BucketLayout, target: Target) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const target = { operation, bucket, key };
    const layout = this.#layout(bucket);
    const mayHaveWritten = !/^(check|head|list)/.test(operation);
    return await translated(target, mayHaveWritten, async () => {
      if (!BUCKET.test(bucket) || !(await layout.exists()))
        throw refusal(target, "bucketMissing", "the bucket does not exist.");
      return await call(layout, target);
    });
  }
}

function refuseCondition(target: Target, condition: object | undefined): void {
  if (condition) throw refusal(target, "unsupported", "conditional writes are not offered.");
}

function refuseKey(target: Target, key: string): void {
  const length = Buffer.byteLength(key);
  if (length === 0 || length > 1024) throw refusal(target, "rejected", `the key has ${length} bytes, not 1 to 1,024.`);
}

function bodyFacts(target: Target, body: Uint8Array, checksum: string, most: number): BodyFacts {
  if (body.length > most) throw refusal(target, "rejected", `the body has ${body.length} bytes, more than ${most}.`);
  const found = checksumOf(crc32(body));
  if (found !== checksum) throw refusal(target, "integrity", "the bytes do not have the checksum sent with them.");
  return { size: body.length, etag: randomUUID(), checksum: found };
}

async function begunOf(layout: BucketLayout, target: Target, request: MultipartAddress): Promise<BegunMultipart> {
  const begun = await layout.begun(request.multipartId, request.key);
  if (begun) return begun;
  throw refusal(target, "notFound", `the multipart upload ${request.multipartId} is not known.`);
}

async function* partsInOrder(
  target: Target,
  parts: CompleteMultipartRequest["parts"],
  paths: readonly string[],
): AsyncGenerator<Uint8Array> {
  for (const [index, path] of paths.entries()) {
    const part = await readEntry<BodyFacts>(path);
    if (!part || part.facts.etag !== parts[index]?.etag)
      throw refusal(target, "integrity", `part ${parts[index]?.partNumber} is not there as named.`);
    yield* readBody(path, part);
  }
}

/** Gone in one step; what takes longer comes afterwards. */
async function forget(layout: BucketLayout, multipartId: string): Promise<void> {
  const gone = join(layout.scratch, randomUUID());
  try {
    await rename(layout.multipart(multipartId), gone);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  await syncFolder(layout.multiparts);
  await rm(gone, { recursive: true, force: true });
}
