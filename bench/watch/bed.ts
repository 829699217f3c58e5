import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServiceOptions, UploadService } from "@bucketline/core";
import { MemoryObjectStore } from "@bucketline/core/testing";
import { SqliteStateStore } from "@bucketline/store-sqlite";

export const UPLOAD = "bench";
const BUCKET = "bucket";

/** A folder of its own for each measurement, gone afterwards. */
export class Bed {
  readonly #base = mkdtempSync(join(tmpdir(), "bucketline-watch-"));
  readonly root = join(this.#base, "root");
  #service: UploadService | undefined;

  constructor() {
    mkdirSync(this.root);
  }

  /** A service that watches `root`: a real ledger on disk, and a bucket in memory. */
  async start(options: Partial<ServiceOptions>): Promise<UploadService> {
    const state = new SqliteStateStore(join(this.#base, "ledger.db"));
    const objects = new MemoryObjectStore({ buckets: [BUCKET] });
    const service = new UploadService({ state, objects, ...options });
    this.#service = service;
    await service.start();
    return service;
  }

  async register(service: UploadService): Promise<void> {
    await service.register({ id: UPLOAD, sourceFolder: this.root, bucket: BUCKET, mode: "watch" });
    await service.finished(UPLOAD);
  }

  async end(): Promise<void> {
    await this.#service?.stop();
    this.remove();
  }

  remove(): void {
    rmSync(this.#base, { recursive: true, force: true });
  }
}
