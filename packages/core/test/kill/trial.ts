import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClientConfig, FaultOptions } from "@bucketline/s3-sandbox";
import { Child } from "./child.ts";
import { RequestLog } from "./request-log.ts";
import { type SourceFile, type SourceSpec, writeSource } from "./source.ts";

export const SANDBOX = fileURLToPath(new URL("sandbox.ts", import.meta.url));
const UPLOADER = fileURLToPath(new URL("uploader.ts", import.meta.url));
export const VICTIM = fileURLToPath(new URL("victim.ts", import.meta.url));

export const CHUNK_SIZE = 5 * 1024 * 1024;
export const CONCURRENCY = 5;
export const PART_CONCURRENCY = 4;

/** What the uploader is told; JSON in its first argument. */
export interface Order {
  readonly uploadId: string;
  readonly folder: string;
  readonly bucket: string;
  readonly ledger: string;
  readonly client: ClientConfig;
  readonly chunkSize: number;
  readonly concurrency: number;
  readonly partConcurrency: number;
  /** Where transformed files wait; null: files are sent as they are. */
  readonly spool: string | null;
}

/** Requests that are carried out and never answered, the first that matches of each. */
export type Unanswered = readonly Pick<FaultOptions, "operation" | "key" | "partNumber">[];

/** What the sandbox is told. */
export interface SandboxOrder {
  /** Where it keeps its contents. Default: in memory. */
  readonly directory?: string;
  readonly requestLog: string;
  readonly bucket: string;
  readonly unanswered?: Unanswered;
  /** File that gets a `HeaderNote` per request. */
  readonly headerNotes?: string;
  /** Bytes. */
  readonly minPartSize?: number;
}

/** A source folder, a sandbox in a process of its own, and uploaders that come and go. */
export class Trial implements AsyncDisposable {
  readonly order: Order;
  readonly files: readonly SourceFile[];
  readonly log: RequestLog;
  readonly #home: string;
  readonly #sandbox: Child;
  readonly #uploaders: Child[] = [];

  private constructor(home: string, sandbox: Child, order: Order, files: readonly SourceFile[]) {
    this.#home = home;
    this.#sandbox = sandbox;
    this.order = order;
    this.files = files;
    this.log = new RequestLog(join(home, "requests.jsonl"));
  }

  /** @param transforms whether files are compressed and encrypted on their way */
  static async open(spec: SourceSpec, unanswered: Unanswered = [], transforms = false): Promise<Trial> {
    const home = await mkdtemp(join(tmpdir(), "bucketline-kill-"));
    const folder = join(home, "source");
    await mkdir(folder);
    const bucket = "trial";
    const requestLog = join(home, "requests.jsonl");
    const sandboxOrder: SandboxOrder = { directory: join(home, "s3"), requestLog, bucket, unanswered };
    const sandbox = new Child(SANDBOX, [JSON.stringify(sandboxOrder)]);
    try {
      const files = await writeSource(folder, spec);
      const client = JSON.parse(await sandbox.line("{")) as ClientConfig;
      const numbers = { chunkSize: CHUNK_SIZE, concurrency: CONCURRENCY, partConcurrency: PART_CONCURRENCY };
      const places = {
        folder,
        bucket,
        ledger: join(home, "ledger.db"),
        spool: transforms ? join(home, "spool") : null,
      };
      const order: Order = { uploadId: "trial", client, ...places, ...numbers };
      return new Trial(home, sandbox, order, files);
    } catch (error) {
      await sandbox.signal("SIGKILL");
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts an uploader on the same ledger as those before it. */
  upload(): Child {
    const uploader = new Child(UPLOADER, [JSON.stringify(this.order)]);
    this.#uploaders.push(uploader);
    return uploader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Ends every process it started and removes its files. */
  async close(): Promise<void> {
    await Promise.all([...this.#uploaders, this.#sandbox].map((child) => child.signal("SIGKILL")));
    this.log.close();
    await rm(this.#home, { recursive: true, force: true });
  }
}
