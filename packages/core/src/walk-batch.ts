import { sourceFacts } from "./file.ts";
import type { FileFacts } from "./ports/file-system.ts";
import type { EntrySink, ScanEntry } from "./tree-walk.ts";

/** Entries as they travel between threads: one long string and two arrays cost a fifth of what as many objects do. */
export interface WalkBatch {
  readonly files: number;
  /** Of the files, in their order; NUL, which no path holds, between them. */
  readonly paths: string;
  /** In bytes. */
  readonly sizes: Float64Array;
  /** For each file: device, inode, mtime and ctime. */
  readonly numbers: BigInt64Array;
  /** What is no file, or does not fit the arrays, with the number of files before it. */
  readonly others: readonly { readonly filesBefore: number; readonly entry: ScanEntry }[];
  readonly isLast: boolean;
}

const NUMBERS = 4;

/** Packs entries, batch by batch, in arrays that it uses again and again. */
export class BatchWriter implements EntrySink {
  readonly #capacity: number;
  readonly #sizes: Float64Array;
  readonly #numbers: BigInt64Array;
  #paths: string[] = [];
  #others: { filesBefore: number; entry: ScanEntry }[] = [];

  /** @param capacity how many files fit the arrays */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#sizes = new Float64Array(capacity);
    this.#numbers = new BigInt64Array(capacity * NUMBERS);
  }

  get size(): number {
    return this.#paths.length + this.#others.length;
  }

  file(path: string, facts: FileFacts): void {
    const { size, dev, ino, mtimeNs, ctimeNs } = facts;
    const file = this.#paths.length;
    if (file === this.#capacity || !fits(dev) || !fits(ino) || !fits(mtimeNs) || !fits(ctimeNs)) {
      this.other({ kind: "file", path, facts: sourceFacts(facts) });
      return;
    }
    this.#paths.push(path);
    this.#sizes[file] = size;
    const at = file * NUMBERS;
    this.#numbers[at] = dev;
    this.#numbers[at + 1] = ino;
    this.#numbers[at + 2] = mtimeNs;
    this.#numbers[at + 3] = ctimeNs;
  }

  other(entry: ScanEntry): void {
    this.#others.push({ filesBefore: this.#paths.length, entry });
  }

  /** The batch so far; the next one begins. */
  take(isLast: boolean): WalkBatch {
    const [paths, others] = [this.#paths, this.#others];
    const files = paths.length;
    this.#paths = [];
    this.#others = [];
    return {
      files,
      paths: paths.join("\0"),
      sizes: this.#sizes.slice(0, files),
      numbers: this.#numbers.slice(0, files * NUMBERS),
      others,
      isLast,
    };
  }
}

/** Times beyond the year 2262 do not. */
function fits(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

export function readBatch(batch: WalkBatch): ScanEntry[] {
  const paths = batch.paths.split("\0");
  const entries: ScanEntry[] = [];
  let file = 0;
  const addFiles = (end: number) => {
    for (; file < end; file++) {
      entries.push({ kind: "file", path: paths[file] as string, facts: sourceFacts(factsOf(batch, file)) });
    }
  };
  for (const { filesBefore, entry } of batch.others) {
    addFiles(filesBefore);
    entries.push(entry);
  }
  addFiles(batch.files);
  return entries;
}

function factsOf({ sizes, numbers }: WalkBatch, file: number): FileFacts {
  const number = (index: number) => numbers[file * NUMBERS + index] as bigint;
  const [dev, ino, mtimeNs, ctimeNs] = [number(0), number(1), number(2), number(3)];
  return { kind: "file", size: sizes[file] as number, dev, ino, mtimeNs, ctimeNs };
}
