import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { type Sandbox, type SandboxOptions, startSandbox } from "@bucketline/s3-sandbox";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { expect, onTestFinished } from "vitest";
import { crc32Of, formatCrc32 } from "../../src/checksum.ts";
import {
  type FileEvent,
  type FileRecord,
  type Reason,
  type RegisterOptions,
  type ServiceOptions,
  type Upload,
  UploadService,
} from "../../src/index.ts";
import type { S3ObjectStoreOptions } from "../../src/s3/index.ts";
import { dataPath } from "../support/data-paths.ts";
import { smallPartStore } from "../support/small-parts.ts";

export const BUCKET = "fault-bucket";
/** Chunk size of the beds' services, so that a large file is a few KiB. */
export const PART = 1024;

/** Bytes that differ from part to part, so that a part in the wrong place shows. */
export function patterned(length: number, seed = 1): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, n) => (n * 31 + (n >> 8) * 7 + seed) & 0xff));
}

export interface BedOptions {
  readonly sandbox?: SandboxOptions;
}

/** A folder, a ledger file and an S3 server, gone when the test ends. A promise nobody handles fails the test. */
export async function openBed(options: BedOptions = {}): Promise<Bed> {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const home = mkdtempSync(join(tmpdir(), "bucketline-faults-"));
  const sandbox = await startSandbox({ buckets: [BUCKET], minPartSize: 1, ...options.sandbox });
  const bed = new Bed(home, sandbox);
  onTestFinished(async () => {
    await bed.end();
    await sandbox.close();
    rmSync(home, { recursive: true, force: true });
    // Node tells of unhandled rejections after the microtasks of a turn.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    expect(unhandled, "rejections that nobody handled").toEqual([]);
  });
  return bed;
}

export class Bed {
  readonly home: string;
  readonly source: string;
  readonly ledger: string;
  readonly sandbox: Sandbox;
  readonly #stations: Station[] = [];

  constructor(home: string, sandbox: Sandbox) {
    this.home = home;
    this.source = join(home, "source");
    this.ledger = join(home, "state", "uploads.db");
    this.sandbox = sandbox;
    mkdirSync(this.source);
  }

  /** A client of its own, for what somebody else does to the bucket. */
  client(): S3Client {
    const client = new S3Client(this.sandbox.clientConfig);
    onTestFinished(() => client.destroy());
    return client;
  }

  path(name: string): string {
    return join(this.source, name);
  }

  write(name: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
  }

  /** Writes so many small files; @returns their contents by name */
  writeMany(count: number): Record<string, string> {
    const names = Array.from({ length: count }, (_, n) => `file-${String(n).padStart(3, "0")}`);
    const files = Object.fromEntries(names.map((name) => [name, `content of ${name}`]));
    for (const [name, content] of Object.entries(files)) this.write(name, content);
    return files;
  }

  /** A service on this bed's ledger and S3 server, not yet started. */
  service(options: Partial<ServiceOptions> = {}, s3: S3ObjectStoreOptions = {}): Station {
    const station = new Station(this, {
      state: new SqliteStateStore({ path: this.ledger, busyTimeoutMs: 20 }),
      objects: smallPartStore({ ...this.sandbox.clientConfig, dataPath: dataPath(), ...s3 } as S3ObjectStoreOptions),
      chunkSize: PART,
      retry: { baseMs: 2, capMs: 20 },
      random: () => 0,
      monitorInterval: 30,
      stabilityThreshold: 0,
      progressInterval: 20,
      lease: 2_000,
      ...options,
    });
    this.#stations.push(station);
    return station;
  }

  requests(operation: string): Sandbox["requests"] {
    return this.sandbox.requests.filter((request) => request.operation === operation);
  }

  async contents(): Promise<Record<string, string>> {
    const keys = this.sandbox.objects(BUCKET).map(({ key }) => key);
    const bodies = await Promise.all(keys.map((key) => this.sandbox.object(BUCKET, key)));
    return Object.fromEntries(keys.map((key, n) => [key, bodies[n]?.body.toString("latin1") ?? ""]));
  }

  async end(): Promise<void> {
    await Promise.all(this.#stations.map(({ service }) => service.stop({ signal: AbortSignal.abort() })));
  }
}

/** One service and what it told. */
export class Station {
  readonly service: UploadService;
  readonly warnings: Reason[] = [];
  readonly retries: (FileEvent & { reason: Reason })[] = [];
  readonly uploaded: string[] = [];
  readonly removed: string[] = [];
  readonly #bed: Bed;

  constructor(bed: Bed, options: ServiceOptions) {
    this.#bed = bed;
    this.service = new UploadService(options);
    this.service.on("warning", (warning) => void this.warnings.push(warning as Reason));
    this.service.on("file:retrying", (event) => void this.retries.push(event));
    this.service.on("file:uploaded", ({ path }) => void this.uploaded.push(path));
    this.service.on("file:removed", ({ path }) => void this.removed.push(path));
  }

  /** Registers upload "u" of the bed's folder, keys being paths, and starts. */
  async begin(options: Partial<RegisterOptions> = {}): Promise<void> {
    const { source } = this.#bed;
    await this.service.register({
      id: "u",
      sourceFolder: source,
      bucket: BUCKET,
      keyTemplate: "{path}",
      mode: "once",
      ...options,
    });
    await this.service.start();
  }

  /** Begins and waits for the upload to be COMPLETED. */
  async upload(options: Partial<RegisterOptions> = {}): Promise<Upload> {
    await this.begin(options);
    return await this.service.finished("u");
  }

  async files(): Promise<Map<string, FileRecord>> {
    const files = await this.service.files("u", { limit: 10_000 });
    return new Map(files.map((file) => [file.path, file]));
  }

  async file(path: string): Promise<FileRecord> {
    const file = (await this.files()).get(path);
    if (!file) throw new Error(`The ledger does not know ${JSON.stringify(path)}.`);
    return file;
  }

  /**
   * The end that every fault must come to: the bucket holds these files and nothing else, the ledger has the evidence of
   * each, and nothing is left in flight.
   */
  async expectWhole(expected: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    const bytes = Object.entries(expected).map(([path, content]) => [path, Buffer.from(content)] as const);
    const text = Object.fromEntries(bytes.map(([path, content]) => [path, content.toString("latin1")]));
    expect(await this.#bed.contents()).toEqual(text);
    expect(this.#bed.sandbox.multipartUploads(BUCKET)).toEqual([]);
    const files = await this.files();
    for (const [path, content] of bytes) {
      const checksum = formatCrc32(crc32Of(content));
      expect(files.get(path), path).toMatchObject({
        state: "UPLOADED",
        size: content.length,
        transfer: null,
        owner: null,
      });
      expect(files.get(path)?.evidence).toMatchObject({ key: path, size: content.length, checksum });
    }
    expect((await this.service.get("u")).state).toBe("COMPLETED");
  }
}

/** Waits until the condition holds; the test's own time limit is the only one. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
