import type { FileRecord, RescueRequest } from "@bucketline/core";
import type { Database, Statement } from "better-sqlite3";
import { type FileTable, writeOwn } from "./files.ts";
import { hasEnded, ownProcess, readClocks } from "./host.ts";
import { isStale } from "./liveness.ts";
import { type Bound, decodeFile, type FileRow } from "./rows.ts";
import { OWNERS } from "./statements.ts";
import type { UploadTable } from "./uploads.ts";

interface OwnerRow {
  readonly name: string;
  readonly lease_ms: number;
  readonly beat_wall: number;
  readonly beat_monotonic: number;
  readonly host: string;
  readonly boot: string;
  readonly pid_space: string;
  readonly pid: number;
  readonly started: string;
}

export class OwnerTable {
  readonly #uploads: UploadTable;
  readonly #files: FileTable;
  readonly #here = ownProcess();
  readonly #get: Statement<Bound[], OwnerRow>;
  readonly #list: Statement<Bound[], OwnerRow>;
  readonly #beat: Statement<Bound[]>;
  readonly #forget: Statement<Bound[]>;
  readonly #holding: Statement<Bound[], string | null>;
  readonly #heldBy: Statement<Bound[], [seq: number, ...FileRow]>;

  constructor(db: Database, uploads: UploadTable, files: FileTable) {
    this.#uploads = uploads;
    this.#files = files;
    this.#get = db.prepare<Bound[], OwnerRow>(OWNERS.get);
    this.#list = db.prepare<Bound[], OwnerRow>(OWNERS.list);
    this.#beat = db.prepare(OWNERS.beat);
    this.#forget = db.prepare(OWNERS.forget);
    this.#holding = db.prepare<Bound[], string | null>(OWNERS.holding).pluck();
    this.#heldBy = db.prepare<Bound[], [number, ...FileRow]>(OWNERS.heldBy).raw();
  }

  heartbeat(owner: string, leaseMs: number): void {
    if (this.#get.get(owner) === undefined) this.#forgetStale();
    const { wall, monotonic } = readClocks();
    const { host, boot, pidSpace, pid, started } = this.#here;
    this.#beat.run(owner, Math.ceil(leaseMs), wall, monotonic, host, boot, pidSpace, pid, started);
  }

  retire(owner: string): void {
    this.#forget.run(owner);
  }

  isAlive(owner: string): boolean {
    const row = this.#get.get(owner);
    return row !== undefined && !this.#isStale(row);
  }

  rescue({ limit, release }: RescueRequest): FileRecord[] {
    // Asked before taking the write lock, and again inside: most calls find nobody dead.
    if (limit <= 0 || this.#staleHolders().length === 0) return [];
    return this.#files.write((write) => {
      const rescued: FileRecord[] = [];
      for (const owner of this.#staleHolders()) {
        for (const [seq, ...row] of this.#heldBy.all(owner, limit - rescued.length)) {
          rescued.push(writeOwn(write, decodeFile(this.#uploads.idOf(seq), row as FileRow), release));
        }
        if (rescued.length >= limit) break;
      }
      return rescued;
    });
  }

  #staleHolders(): (string | null)[] {
    return this.#holding.all().filter((owner) => {
      const row = owner === null ? undefined : this.#get.get(owner);
      return row === undefined || this.#isStale(row);
    });
  }

  /** To forget a stale owner changes nothing for its files, and keeps the table as small as the number of services. */
  #forgetStale(): void {
    for (const row of this.#list.all()) if (this.#isStale(row)) this.#forget.run(row.name);
  }

  #isStale(row: OwnerRow): boolean {
    const lease = {
      host: row.host,
      boot: row.boot,
      pidSpace: row.pid_space,
      pid: row.pid,
      started: row.started,
      leaseMs: row.lease_ms,
      beat: { wall: row.beat_wall, monotonic: row.beat_monotonic },
    };
    return isStale(lease, this.#here, readClocks(), hasEnded);
  }
}
