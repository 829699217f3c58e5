import type { FileRecord } from "@bucketline/core";
import type { Value } from "./rows.ts";
import { FILE_CODE } from "./states.ts";

/** By how much a transaction changes the counters. */
export class CounterDeltas {
  readonly #byState = new Map<string, { seq: number; code: number; files: number; bytes: number }>();

  add(seq: number, { state, size }: Pick<FileRecord, "state" | "size">, sign: 1 | -1): void {
    const code = FILE_CODE[state];
    const id = `${seq}:${code}`;
    const delta = this.#byState.get(id) ?? { seq, code, files: 0, bytes: 0 };
    delta.files += sign;
    delta.bytes += sign * size;
    this.#byState.set(id, delta);
  }

  /** Columns of COUNTER; in one order in every transaction, so that they wait for one another but never in a ring. */
  rows(): Value[][] {
    return [...this.#byState.values()]
      .filter(({ files, bytes }) => files !== 0 || bytes !== 0)
      .sort((a, b) => a.seq - b.seq || a.code - b.code)
      .map(({ seq, code, files, bytes }) => [seq, code, files, bytes]);
  }
}
