import { FILE_STATES, type FileRecord, type FileState, type FinishedPart } from "../file.ts";
import { comparePaths } from "../paths.ts";
import type { ClaimRequest, Counters, FilePage } from "../ports/state-store.ts";
import { LazyOrder, lowerBound } from "./lazy-order.ts";

interface Due {
  readonly at: number;
  readonly path: string;
}

/** The files of one upload, with the orders in which they are asked for. */
export class MemoryFiles {
  readonly #records = new Map<string, FileRecord>();
  readonly #parts = new Map<string, Map<number, FinishedPart>>();
  readonly #held = new Set<string>();
  readonly #paths = new LazyOrder<string>(comparePaths, () => true);
  readonly #due = new LazyOrder<Due>(
    (a, b) => a.at - b.at || comparePaths(a.path, b.path),
    ({ at, path }) => this.#isPending(path, at),
  );
  /** Built at the first question for a key: most uploads never ask. */
  #byKey: Map<string, Set<string>> | undefined;
  readonly #counters = Object.fromEntries(FILE_STATES.map((state) => [state, { files: 0, bytes: 0 }])) as Record<
    FileState,
    { files: number; bytes: number }
  >;

  get(path: string): FileRecord | undefined {
    return this.#records.get(path);
  }

  /** Writes the record, whatever stood there. */
  put(after: FileRecord, parts: readonly FinishedPart[] = []): void {
    const before = this.#records.get(after.path);
    this.#records.set(after.path, after);
    if (before === undefined) this.#paths.add(after.path);
    if (after.state === "PENDING") this.#due.add({ at: after.nextAttemptAt, path: after.path });
    if (after.state === "IN_PROGRESS") this.#held.add(after.path);
    else this.#held.delete(after.path);
    this.#count(before, -1);
    this.#count(after, 1);
    this.#indexKey(before, after);
    this.#putParts(before, after, parts);
  }

  counters(): Counters {
    return structuredClone(this.#counters);
  }

  /** As StateStore's `listFiles`. */
  list(page: FilePage): FileRecord[] {
    const found: FileRecord[] = [];
    if (page.limit <= 0) return found;
    for (const file of this.after(page.after)) {
      if (page.states !== undefined && !page.states.includes(file.state)) continue;
      if (page.withTransfer && file.transfer === null) continue;
      if (page.dueBy !== undefined && file.nextAttemptAt > page.dueBy) continue;
      if (found.push(file) === page.limit) break;
    }
    return found;
  }

  /** The earliest `nextAttemptAt` of the PENDING files. */
  nextDue(): number | undefined {
    const [file] = first(1, this.due(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY));
    return file?.nextAttemptAt;
  }

  parts(path: string): FinishedPart[] {
    return [...(this.#parts.get(path)?.values() ?? [])].sort((a, b) => a.partNumber - b.partNumber);
  }

  /** In path order, from the first path after `path`. */
  *after(path: string | undefined): Iterable<FileRecord> {
    const paths = this.#paths.items();
    const start = path === undefined ? 0 : lowerBound(paths, (other) => comparePaths(other, path) > 0);
    for (let index = start; index < paths.length; index++)
      yield this.#records.get(paths[index] as string) as FileRecord;
  }

  /** PENDING files due in [from, to], in the order in which they are claimed. */
  *due(from: number, to: number): Iterable<FileRecord> {
    const items = this.#due.items();
    const start = lowerBound(items, (item) => item.at >= from);
    for (let index = Math.max(this.#due.head, start); index < items.length; index++) {
      const { at, path } = items[index] as Due;
      if (at > to) return;
      if (this.#isPending(path, at)) yield this.#records.get(path) as FileRecord;
    }
  }

  held(): FileRecord[] {
    return [...this.#held].map((path) => this.#records.get(path) as FileRecord);
  }

  byKey(key: string): FileRecord | undefined {
    if (this.#byKey === undefined) {
      this.#byKey = new Map();
      for (const record of this.#records.values()) this.#indexKey(undefined, record);
    }
    const [path] = this.#byKey.get(key) ?? [];
    return path === undefined ? undefined : this.#records.get(path);
  }

  #isPending(path: string, at: number): boolean {
    const record = this.#records.get(path);
    return record?.state === "PENDING" && record.nextAttemptAt === at;
  }

  #count(record: FileRecord | undefined, sign: 1 | -1): void {
    if (record === undefined) return;
    const counter = this.#counters[record.state];
    counter.files += sign;
    counter.bytes += sign * record.size;
  }

  #indexKey(before: FileRecord | undefined, after: FileRecord): void {
    if (this.#byKey === undefined || before?.key === after.key) return;
    if (before) this.#byKey.get(before.key)?.delete(after.path);
    const paths = this.#byKey.get(after.key);
    if (paths) paths.add(after.path);
    else this.#byKey.set(after.key, new Set([after.path]));
  }

  #putParts(before: FileRecord | undefined, after: FileRecord, parts: readonly FinishedPart[]): void {
    const token = after.transfer?.token;
    if (token === undefined || token !== before?.transfer?.token) this.#parts.delete(after.path);
    if (token === undefined || parts.length === 0) return;
    const kept = this.#parts.get(after.path) ?? new Map<number, FinishedPart>();
    for (const part of parts) kept.set(part.partNumber, part);
    this.#parts.set(after.path, kept);
  }
}

/** The files that a claim takes, in its order, out of those that `due` yields for a span of times. */
export function claimable(files: Pick<MemoryFiles, "due">, request: ClaimRequest): FileRecord[] {
  const { limit, now, horizon } = request;
  const due = [...first(limit, files.due(Number.NEGATIVE_INFINITY, now))];
  const farOff = files.due(Math.max(now, horizon) + 1, Number.POSITIVE_INFINITY);
  return [...due, ...first(limit - due.length, farOff)];
}

function* first<T>(limit: number, items: Iterable<T>): Iterable<T> {
  if (limit <= 0) return;
  let left = limit;
  for (const item of items) {
    yield item;
    if (--left === 0) return;
  }
}
