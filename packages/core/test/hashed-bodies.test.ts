import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type PutObjectRequest, systemClock, type UploadPartRequest, UploadService } from "../src/index.ts";
import { MemoryBuckets, MemoryObjectStore, MemoryStateStore } from "../src/testing/index.ts";

const MIB = 1024 ** 2;
/** Bytes that are read without a thread first. */
const BEFORE = 32 * MIB;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bucketline-bodies-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A store that needs the SHA-256 of every body, and keeps what it was told. */
class Signing extends MemoryObjectStore {
  readonly bodies: { readonly size: number; readonly told: string | undefined; readonly is: string }[] = [];

  usesSha256(): boolean {
    return true;
  }

  override async putObject(request: PutObjectRequest) {
    this.#keep(request);
    return await super.putObject(request);
  }

  override async uploadPart(request: UploadPartRequest) {
    this.#keep(request);
    return await super.uploadPart(request);
  }

  #keep({ body, sha256 }: Pick<PutObjectRequest, "body" | "sha256">): void {
    const is = createHash("sha256").update(body).digest("hex");
    this.bodies.push({ size: body.length, told: sha256, is });
  }
}

test("large bodies arrive whole from a thread that reads them, with the hashes of what is sent", async () => {
  const files = { large: randomBytes(96 * MIB + 17), put: randomBytes(3 * MIB), small: randomBytes(9_000) };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const state = new MemoryBuckets();
  state.create("b");
  const objects = new Signing({ state });
  // Little memory: buffers go to the thread and back many times.
  const options = { chunkSize: 5 * MIB, memoryLimit: 32 * MIB };
  const service = new UploadService({ state: new MemoryStateStore({ clock: systemClock }), objects, ...options });
  await service.start();
  await service.register({ id: "u", sourceFolder: folder, bucket: "b", mode: "once" });
  await service.finished("u");
  await service.stop();
  for (const [name, content] of Object.entries(files))
    expect(Buffer.compare(state.get("b")?.objects.get(`u/${name}`)?.bytes ?? Buffer.of(), content), name).toBe(0);
  const told = objects.bodies.filter((body) => body.told !== undefined);
  expect(told.map((body) => body.told)).toEqual(told.map((body) => body.is));
  const untold = objects.bodies.filter((body) => body.told === undefined).reduce((sum, body) => sum + body.size, 0);
  expect(told.length).toBeGreaterThan(0);
  expect(untold).toBeGreaterThan(BEFORE - 8 * MIB);
});
