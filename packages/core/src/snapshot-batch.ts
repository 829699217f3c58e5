import type { FileFacts } from "./ports/file-system.ts";

/** What a thread is asked to read. */
export interface SnapshotOrder {
  /** Absolute, and with a separator at its end: what a descriptor leads to has to begin with it. */
  readonly prefix: string;
  /** Absolute; NUL, which no path holds, between them: one long string travels for less than many. */
  readonly paths: string;
  /** Whether the last name of a path may be a link. */
  readonly follow: boolean;
  /** Bytes; what is larger is not read. */
  readonly limit: number;
}

/** All that was read, in two arrays that change hands without being copied. */
export interface SnapshotReply {
  readonly bytes: Uint8Array;
  /** For each path: where its bytes begin or -1 if there is nothing, size, device, inode, mtime and ctime. */
  readonly numbers: BigInt64Array;
}

/** A small file at one moment: all its bytes, and its facts, which were the same before and after the bytes were read. */
export interface Snapshot {
  readonly facts: FileFacts;
  readonly bytes: Uint8Array;
}

interface Stats {
  readonly size: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

const NUMBERS = 6;
const NOTHING = -1n;

/** Collects what one message brings back. */
export class SnapshotWriter {
  readonly #numbers: BigInt64Array;
  #bytes: Uint8Array;
  #files = 0;
  #filled = 0;

  constructor(paths: number, limit: number) {
    this.#numbers = new BigInt64Array(paths * NUMBERS);
    this.#bytes = new Uint8Array(Math.min(paths * limit, paths * FIRST_GUESS));
  }

  /** Where the bytes of the next file belong. */
  room(size: number): Uint8Array {
    const needed = this.#filled + size;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#filled));
      this.#bytes = larger;
    }
    return this.#bytes.subarray(this.#filled, needed);
  }

  /** The file whose bytes now are in its room. @returns false, and nothing is kept, when it was touched meanwhile */
  file(before: Stats, after: Stats): boolean {
    const { size, dev, ino, mtimeNs, ctimeNs } = before;
    const isSame = after.size === size && after.mtimeNs === mtimeNs && after.ctimeNs === ctimeNs;
    if (!isSame || ![dev, ino, mtimeNs, ctimeNs].every(fits)) return false;
    this.#numbers.set([BigInt(this.#filled), size, dev, ino, mtimeNs, ctimeNs], this.#files * NUMBERS);
    this.#files += 1;
    this.#filled += Number(size);
    return true;
  }

  nothing(): void {
    this.#numbers[this.#files * NUMBERS] = NOTHING;
    this.#files += 1;
  }

  take(): SnapshotReply {
    return { bytes: this.#bytes, numbers: this.#numbers };
  }
}

/** Bytes that a file is expected to have; room grows when it has more. */
const FIRST_GUESS = 8 * 1024;

/** Times beyond the year 2262 do not. */
function fits(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** @param index of the path in the order @returns undefined: it has to be opened */
export function snapshotAt({ bytes, numbers }: SnapshotReply, index: number): Snapshot | undefined {
  const at = index * NUMBERS;
  const start = numbers[at] as bigint;
  if (start === NOTHING) return undefined;
  const number = (offset: number) => numbers[at + offset] as bigint;
  const [size, dev, ino, mtimeNs, ctimeNs] = [Number(number(1)), number(2), number(3), number(4), number(5)];
  const from = Number(start);
  return {
    facts: { kind: "file", size, dev, ino, mtimeNs, ctimeNs },
    // A copy: one file that is slow to be sent would keep what was read together with it, up to 2 MiB.
    bytes: bytes.slice(from, from + size),
  };
}
