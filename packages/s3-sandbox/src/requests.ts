import { closeSync, openSync, writeSync } from "node:fs";
import type { OperationName } from "./operations.ts";

/** How a request ended: answered in full, cut by the server, cut by the client, or never answered. */
export type RequestOutcome = "answered" | "reset" | "silent" | "aborted";

/** One line of the ledger. Fields that are not known (yet) are absent. */
export interface RequestRecord {
  /** Counts the requests of this sandbox from 1, in order of arrival. */
  n: number;
  /** `Unknown` when the request fits no operation that the sandbox serves. */
  operation: OperationName | "Unknown";
  method: string;
  /** Path and query as sent; the signature of a presigned URL is left out. */
  path: string;
  bucket?: string;
  key?: string;
  uploadId?: string;
  partNumber?: number;
  /** Body bytes that arrived, as sent on the wire. */
  bytesReceived: number;
  /** Body bytes after aws-chunked decoding. */
  payloadBytes: number;
  /** Body bytes of the answer. */
  bytesSent: number;
  /** HTTP status of the answer; null while there is none, and when none was sent. */
  status: number | null;
  errorCode?: string;
  /** Types of the faults applied, joined by `+`. */
  fault?: string;
  /** Whether the request changed what is stored, even if its answer never arrived. */
  committed: boolean;
  outcome?: RequestOutcome;
  /** ISO time of arrival, by the sandbox's clock. */
  startedAt: string;
  /** Milliseconds from arrival to the end, by a monotonic clock. */
  durationMs?: number;
}

export interface RequestLedgerOptions {
  /** How many records are kept; the oldest go first. */
  limit: number;
  /** File that gets every finished request as one JSON line, or undefined. */
  logPath: string | undefined;
}

/** The bounded list of requests, and its optional log file. */
export class RequestLedger {
  readonly #limit: number;
  readonly #log: number | undefined;
  readonly #started = new WeakMap<RequestRecord, number>();
  #records: RequestRecord[] = [];
  #count = 0;

  constructor(options: RequestLedgerOptions) {
    this.#limit = options.limit;
    this.#log = options.logPath === undefined ? undefined : openSync(options.logPath, "a", 0o600);
  }

  get records(): readonly RequestRecord[] {
    this.#trim(0);
    return this.#records;
  }

  open(method: string, path: string, startedAt: Date): RequestRecord {
    const record: RequestRecord = {
      n: ++this.#count,
      operation: "Unknown",
      method,
      path: path.replace(/([?&]X-Amz-(?:Signature|Security-Token)=)[^&]*/gi, "$1…"),
      bytesReceived: 0,
      payloadBytes: 0,
      bytesSent: 0,
      status: null,
      committed: false,
      startedAt: startedAt.toISOString(),
    };
    this.#started.set(record, performance.now());
    this.#records.push(record);
    // Trimmed in batches, because removing from the front moves the whole array.
    this.#trim(1024);
    return record;
  }

  /** Finishes a record, once; later calls change nothing. The log line is written before the answer is. */
  finish(record: RequestRecord, outcome: RequestOutcome): void {
    if (record.outcome !== undefined) return;
    record.outcome = outcome;
    const started = this.#started.get(record) ?? performance.now();
    record.durationMs = Math.round((performance.now() - started) * 1000) / 1000;
    if (this.#log !== undefined) writeSync(this.#log, `${JSON.stringify(record)}\n`);
  }

  clear(): void {
    this.#records = [];
  }

  close(): void {
    if (this.#log !== undefined) closeSync(this.#log);
  }

  #trim(slack: number): void {
    if (this.#records.length > this.#limit + slack) this.#records.splice(0, this.#records.length - this.#limit);
  }
}
