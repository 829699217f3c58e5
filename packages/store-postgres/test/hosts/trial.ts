import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { postgresForTests } from "@bucketline/postgres-sandbox";
import type { ClientConfig } from "@bucketline/s3-sandbox";
import { PostgresStateStore } from "@bucketline/store-postgres";
import { Client } from "pg";
import { Child } from "../../../core/test/kill/child.ts";
import { Audit } from "./audit.ts";
import { Bucket } from "./bucket.ts";
import { type SourceFile, type SourceSpec, writeSource } from "./source.ts";
import { Wire } from "./wire.ts";

const HOST = fileURLToPath(new URL("host.ts", import.meta.url));

export const CHUNK_SIZE = 64 * 1024;
export const CONCURRENCY = 5;
export const PART_CONCURRENCY = 4;
/** Far more than a beat takes on a busy machine, and short enough to sleep through. */
export const LEASE_MS = 3_000;

/** What a host is told; JSON in its first argument. */
export interface HostOrder {
  readonly host: string;
  /** Names this run of the host in the ledger and in the requests it sends. */
  readonly sender: string;
  readonly connectionString: string;
  readonly schema: string;
  readonly client: ClientConfig;
  readonly uploadId: string;
  readonly folder: string;
  readonly bucket: string;
  readonly chunkSize: number;
  readonly concurrency: number;
  readonly partConcurrency: number;
  readonly leaseMs: number;
}

/** One host: a wire of its own to PostgreSQL, and processes that follow one another. */
export class Host {
  readonly name: string;
  readonly wire: Wire;
  readonly runs: Child[] = [];
  readonly #trial: Trial;

  constructor(name: string, wire: Wire, trial: Trial) {
    this.name = name;
    this.wire = wire;
    this.#trial = trial;
  }

  /** The run that lives, or lived last. */
  get sender(): string {
    return `${this.name}.${this.runs.length}`;
  }

  get child(): Child {
    const child = this.runs.at(-1);
    if (!child) throw new Error(`${this.name} has not been started.`);
    return child;
  }

  /** Starts a process. Resolves when its service works. */
  async start(): Promise<void> {
    const order = this.#trial.orderFor(this.name, `${this.name}.${this.runs.length + 1}`, this.wire.port);
    this.runs.push(new Child(HOST, [JSON.stringify(order)], join(this.#trial.home, "compiled")));
    await this.child.line("started");
  }
}

interface Parts {
  readonly home: string;
  readonly server: { readonly connectionString: string; stop(): Promise<void> };
  readonly bucket: Bucket;
}

/** A source folder, a bucket, a PostgreSQL with an audit of every write, and hosts that share one upload. */
export class Trial {
  readonly home: string;
  readonly folder: string;
  readonly uploadId = "shared";
  readonly bucket: Bucket;
  readonly files: readonly SourceFile[];
  readonly schema = `hosts_${randomBytes(6).toString("hex")}`;
  readonly state: PostgresStateStore;
  readonly audit: Audit;
  readonly hosts: Host[] = [];
  readonly #server: Parts["server"];

  private constructor({ home, server, bucket }: Parts, spec: SourceSpec) {
    this.home = home;
    this.bucket = bucket;
    this.folder = join(home, "source");
    mkdirSync(this.folder);
    this.files = writeSource(this.folder, spec);
    this.#server = server;
    this.state = new PostgresStateStore({ connectionString: server.connectionString, schema: this.schema });
    this.audit = new Audit(server.connectionString, this.schema);
  }

  static async open(spec: SourceSpec, hosts: number): Promise<Trial> {
    const server = await postgresForTests();
    const bucket = await Bucket.open(CHUNK_SIZE);
    const home = mkdtempSync(join(tmpdir(), "bucketline-hosts-"));
    const trial = new Trial({ home, server, bucket }, spec);
    try {
      await trial.state.open();
      await trial.audit.open();
      const { hostname, port } = new URL(server.connectionString);
      for (let number = 1; number <= hosts; number++) {
        const wire = await Wire.open({ host: hostname, port: Number(port || 5432) });
        trial.hosts.push(new Host(`h${number}`, wire, trial));
      }
      return trial;
    } catch (error) {
      await trial.close();
      throw error;
    }
  }

  orderFor(host: string, sender: string, wirePort: number): HostOrder {
    const url = new URL(this.#server.connectionString);
    url.hostname = "127.0.0.1";
    url.port = String(wirePort);
    // The audit reads it back: it tells who writes.
    url.searchParams.set("options", `-c hosts.sender=${sender}`);
    return {
      host,
      sender,
      connectionString: url.href,
      schema: this.schema,
      client: this.bucket.client,
      uploadId: this.uploadId,
      folder: this.folder,
      bucket: this.bucket.name,
      chunkSize: CHUNK_SIZE,
      concurrency: CONCURRENCY,
      partConcurrency: PART_CONCURRENCY,
      leaseMs: LEASE_MS,
    };
  }

  /** Resolves when every host's service has said that the upload is COMPLETED. */
  async finished(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.child.line("finished")));
  }

  /** Drains every host, so that nothing is under way any more. */
  async stopHosts(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.child.signal("SIGTERM")));
  }

  /** What the hosts wrote to stderr, each line once with its number, for people who look for a cause. */
  get story(): string {
    const lines = new Map<string, number>();
    for (const line of this.hosts.flatMap((host) => host.runs.flatMap((run) => run.errors.split("\n"))))
      if (line !== "") lines.set(line, (lines.get(line) ?? 0) + 1);
    return [...lines].map(([line, times]) => `${times} × ${line}\n`).join("");
  }

  /** Ends every process it started and removes what it made. */
  async close(): Promise<void> {
    const runs = this.hosts.flatMap((host) => host.runs);
    await Promise.all(runs.map((run) => run.signal("SIGKILL")));
    await Promise.all(this.hosts.map((host) => host.wire.close()));
    await this.audit.close();
    await this.state.close();
    await this.bucket.close();
    await this.#dropSchema();
    await this.#server.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  async #dropSchema(): Promise<void> {
    const client = new Client({ connectionString: this.#server.connectionString });
    await client.connect();
    await client.query(`DROP SCHEMA IF EXISTS ${this.schema} CASCADE`);
    await client.end();
  }
}
