import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { combineCrc32, crc32Of, formatCrc32, parseCrc32 } from "../../src/checksum.ts";
import type { ObjectFacts, ObjectStore, UploadPartRequest } from "../../src/index.ts";
import { MemoryObjectStore } from "../../src/testing/index.ts";
import { BUCKET, openBed } from "./bed.ts";

const GIB = 1024 ** 3;
const SIZE = 6 * GIB + 5;
const PART_SIZE = 64 * 1024 ** 2;
const ZEROS = crc32Of(Buffer.alloc(PART_SIZE));

/** Keeps checksums and lengths of what it is given, not the bytes; refuses what does not fit together, as S3 does. */
class Sink extends MemoryObjectStore implements ObjectStore {
  readonly parts = new Map<number, { readonly size: number; readonly crc: number }>();
  #token = "";
  #object: ObjectFacts | undefined;

  override async createMultipart(request: Parameters<ObjectStore["createMultipart"]>[0]) {
    this.#token = request.token;
    return { multipartId: "one" };
  }

  override async uploadPart({ partNumber, body, checksum }: UploadPartRequest) {
    this.parts.set(partNumber, { size: body.length, crc: parseCrc32(checksum) });
    return { etag: `part ${partNumber}`, checksum };
  }

  override async completeMultipart(request: Parameters<ObjectStore["completeMultipart"]>[0]) {
    const sizes = [...this.parts.values()].map(({ size }) => size);
    expect(request.size).toBe(sizes.reduce((sum, size) => sum + size, 0));
    expect(request.parts).toHaveLength(this.parts.size);
    this.#object = { size: request.size, etag: "whole", checksum: request.checksum, token: this.#token };
    return { etag: "whole", checksum: request.checksum };
  }

  override async headObject() {
    return this.#object;
  }
}

test("a sparse file of 6 GiB: sizes and offsets beyond 32 bits in parts, ledger, counters and progress", {
  timeout: 60_000,
}, async () => {
  const bed = await openBed();
  const marks = [0, 2 * GIB - 1, 2 * GIB, 4 * GIB - 1, 4 * GIB, 5 * GIB + 12_345, SIZE - 1];
  // Where there is a file system in memory, its holes cost no page cache.
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : bed.home, "bucketline-huge-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = openSync(join(folder, "huge"), "w");
  ftruncateSync(file, SIZE);
  for (const [n, position] of marks.entries()) writeSync(file, Buffer.from([n + 1]), 0, 1, position);
  closeSync(file);
  const sink = new Sink({ buckets: [BUCKET] });
  const station = bed.service({ objects: sink, chunkSize: PART_SIZE, partConcurrency: 2 });
  const upload = await station.upload({ sourceFolder: folder });
  const count = Math.ceil(SIZE / PART_SIZE);
  expect(sink.parts.size).toBe(count);
  let whole = 0;
  for (let part = 0; part < count; part++) {
    const start = part * PART_SIZE;
    const length = Math.min(PART_SIZE, SIZE - start);
    const inside = marks.filter((position) => position >= start && position < start + length);
    const expected = Buffer.alloc(inside.length > 0 || length < PART_SIZE ? length : 0);
    for (const position of inside) expected[position - start] = marks.indexOf(position) + 1;
    const crc = expected.length > 0 ? crc32Of(expected) : ZEROS;
    expect(sink.parts.get(part + 1), `part ${part + 1}`).toEqual({ size: length, crc });
    whole = combineCrc32(whole, crc, length);
  }
  const checksum = formatCrc32(whole);
  expect(await station.file("huge")).toMatchObject({
    state: "UPLOADED",
    size: SIZE,
    evidence: { size: SIZE, checksum },
  });
  expect(upload.progress).toMatchObject({ bytesTotal: SIZE, bytesUploaded: SIZE, fraction: 1 });
});
