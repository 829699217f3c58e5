import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ServiceOptions, systemClock, UploadService } from "@bucketline/core";
import { MemoryBuckets, MemoryObjectStore, MemoryState, MemoryStateStore } from "@bucketline/core/testing";
import { type BucketlineServer, createServer, type ServerOptions } from "../../src/index.ts";

export const BUCKET = "bucket";

export interface BedOptions {
  readonly service?: Partial<ServiceOptions>;
  readonly server?: Partial<Omit<ServerOptions, "service">>;
  /** Default: true. */
  readonly started?: boolean;
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, when it is JSON. */
  readonly body: T;
}

export interface CallOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string;
  readonly signal?: AbortSignal;
}

/** A service on real folders, with ledger and bucket in memory, and a server on a free port of this machine. */
export class Bed {
  /** The allowed root, an empty folder. */
  readonly root: string;
  readonly ledger: MemoryState;
  readonly buckets: MemoryBuckets;
  readonly objects: MemoryObjectStore;
  readonly service: UploadService;
  readonly server: BucketlineServer;
  #closed = false;

  private constructor(parts: Pick<Bed, "root" | "ledger" | "buckets" | "objects" | "service" | "server">) {
    this.root = parts.root;
    this.ledger = parts.ledger;
    this.buckets = parts.buckets;
    this.objects = parts.objects;
    this.service = parts.service;
    this.server = parts.server;
  }

  static async open({ service: serviceOptions, server: serverOptions, started = true }: BedOptions = {}): Promise<Bed> {
    const root = await mkdtemp(join(tmpdir(), "bucketline-http-"));
    const ledger = new MemoryState();
    const buckets = new MemoryBuckets();
    buckets.create(BUCKET);
    const objects = new MemoryObjectStore({ state: buckets, clock: systemClock, capabilities: { minPartSize: 1 } });
    const service = new UploadService({
      state: new MemoryStateStore({ clock: systemClock, state: ledger }),
      objects,
      allowedRoots: [root],
      watcher: "none",
      stabilityThreshold: 0,
      progressInterval: 20,
      ...serviceOptions,
    });
    const server = await createServer({ port: 0, rateLimit: false, ...serverOptions, service });
    if (started) await service.start();
    return new Bed({ root, ledger, buckets, objects, service, server });
  }

  get url(): string {
    return this.server.url;
  }

  /** Writes a file below the root, last modified a minute ago. @returns its path */
  async write(path: string, content: string | Uint8Array = "content"): Promise<string> {
    const full = join(this.root, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, content);
    const then = Date.now() / 1000 - 60;
    await utimes(full, then, then);
    return full;
  }

  async call<T = Record<string, unknown>>(path: string, options: CallOptions = {}): Promise<Answer<T>> {
    const { method = options.body === undefined ? "GET" : "POST", body, token, signal } = options;
    const headers: Record<string, string> = { ...options.headers };
    if (body !== undefined) headers["content-type"] ??= "application/json";
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    const payload = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
    const response = await fetch(new URL(path, this.url), {
      method,
      headers,
      redirect: "manual",
      ...payload,
      ...(signal ? { signal } : {}),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "") && text !== "";
    return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as T };
  }

  /** Registers an upload of a folder below the root over HTTP. */
  async create(folder: string, settings: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    const body = { source_folder: join(this.root, folder), destination_bucket: BUCKET, mode: "once", ...settings };
    return await this.call("/api/v1/uploads", { body });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.server.close();
    await this.service.stop();
    await rm(this.root, { recursive: true, force: true });
  }
}
