import type { ClaimRequest, FileRecord } from "@bucketline/core";
import type { Connections } from "./connections.ts";
import type { FileTable } from "./files.ts";
import { UPLOAD_CODE } from "./states.ts";
import type { Transactions } from "./transactions.ts";
import type { UploadTable } from "./uploads.ts";

/**
 * Claims. One that failed with `STATE_UNAVAILABLE` after it may have happened has perhaps given its owner files of which
 * nobody knows; the next claim of the same kind finds out, and hands over those that are still as they were claimed.
 */
export class Claims {
  readonly #connections: Connections;
  readonly #transactions: Transactions;
  readonly #uploads: UploadTable;
  readonly #files: FileTable;
  readonly #unsettled = new Map<string, object[]>();
  /** Whose last claim found all it asked for, so that the next one need not look first. */
  readonly #full = new Set<string>();
  /** Claimed before, and not handed over yet. */
  readonly #left = new Map<string, readonly FileRecord[]>();

  constructor(connections: Connections, transactions: Transactions, uploads: UploadTable, files: FileTable) {
    this.#uploads = uploads;
    this.#connections = connections;
    this.#transactions = transactions;
    this.#files = files;
  }

  async claim(request: ClaimRequest): Promise<FileRecord[]> {
    if (request.limit <= 0) return [];
    const kind = JSON.stringify([request.uploadId, request.uploadState]);
    const identity = this.#unsettled.get(kind)?.pop();
    if (identity) this.#keep(kind, await this.#write(request, kind, identity));
    const late = await this.#handOver(kind, request.limit);
    if (late.length > 0) return late;
    const hasMore = this.#full.delete(kind) || (await this.#isAnyDue(request));
    return hasMore ? this.#write(request, kind, {}) : [];
  }

  #isAnyDue(request: ClaimRequest): Promise<boolean> {
    return this.#connections.read((connection) => this.#files.isAnyDue(connection, request));
  }

  async #write(request: ClaimRequest, kind: string, identity: object): Promise<FileRecord[]> {
    try {
      const claimed = await this.#transactions.write(
        async (connection, deltas, state) => {
          if (Number(state ?? -1) !== UPLOAD_CODE[request.uploadState]) return [];
          return this.#files.claim(connection, deltas, request);
        },
        identity,
        this.#uploads.holding(request.uploadId),
      );
      if (claimed.length >= request.limit) this.#full.add(kind);
      return claimed;
    } catch (error) {
      if (this.#transactions.isUnsettled(identity)) {
        this.#unsettled.set(kind, [...(this.#unsettled.get(kind) ?? []), identity]);
      }
      throw error;
    }
  }

  /** Meanwhile somebody may have given files back, and another owner may have claimed them. */
  async #handOver(kind: string, limit: number): Promise<FileRecord[]> {
    const left = this.#left.get(kind);
    if (left === undefined) return [];
    this.#left.delete(kind);
    try {
      const unchanged = await this.#connections.read((connection) => this.#files.unchanged(connection, left));
      this.#keep(kind, unchanged.slice(limit));
      return unchanged.slice(0, limit);
    } catch (error) {
      this.#keep(kind, left);
      throw error;
    }
  }

  #keep(kind: string, files: readonly FileRecord[]): void {
    if (files.length > 0) this.#left.set(kind, [...(this.#left.get(kind) ?? []), ...files]);
  }
}
