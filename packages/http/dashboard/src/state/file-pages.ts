import { batch, signal } from "@preact/signals";
import { ApiError, read } from "../api/client.ts";
import type { File, FileState } from "../api/types.ts";
import type { LiveEvent } from "./live.ts";

/** Rows asked for at once. */
const PAGE = 500;
/** Pages whose rows are kept; others keep only the cursor that finds them again. */
const KEEP = 8;

export interface FileQuery {
  readonly uploadId: string;
  readonly state: FileState | null;
  readonly search: string;
}

interface FilesAnswer {
  readonly files: readonly File[];
  readonly next_cursor: string | null;
}

interface Page {
  readonly cursor: string | null;
  readonly start: number;
  readonly count: number;
  rows: readonly File[] | null;
}

/** What a file event says of a file's row. */
type FileEvent = LiveEvent & { readonly path: string };

/**
 * The files of an upload that match a query, however many: pages are read one after the other as they are scrolled to, and
 * dropped when they are far away. What is kept does not grow with the number of files but for a cursor per page.
 */
export class FilePages {
  readonly query: FileQuery;
  /** Rows that can be scrolled to. */
  readonly count = signal(0);
  /** True: there are more rows than `count`. */
  readonly more = signal(true);
  readonly trouble = signal<ApiError | null>(null);
  /** Goes up with every change of any row. */
  readonly version = signal(0);
  /** True: rows have come or gone that the list does not show. */
  readonly stale = signal(false);

  /** Finished bytes of files in flight. */
  readonly #sent = new Map<string, number>();
  #pages: Page[] = [];
  #next: string | null = null;
  #reading = new Set<number>();
  #generation = 0;
  #view: readonly [first: number, last: number] = [0, 0];
  readonly #abort = new AbortController();

  constructor(query: FileQuery) {
    this.query = query;
    void this.#extend();
  }

  /** Undefined: not there yet, or not kept. */
  row(index: number): File | undefined {
    const page = this.#pages[this.#pageOf(index)];
    return page?.rows?.[index - page.start];
  }

  /** Bytes of a file in flight that have arrived; undefined: not known. */
  sent(path: string): number | undefined {
    return this.#sent.get(path);
  }

  /** Rows that are on the screen, `last` not included. Reads what is missing, and what comes next. */
  show(first: number, last: number): void {
    this.#view = [first, last];
    const [from, to] = [this.#pageOf(first), this.#pageOf(Math.max(first, last - 1))];
    for (let at = from; at <= to; at += 1) if (this.#pages[at]?.rows === null) void this.#refill(at);
    if (last > this.count.peek() - PAGE / 2) void this.#extend();
    this.#drop(from, to);
  }

  /** Reads everything anew, from the first page on; until it is there, the old rows stay. */
  async restart(): Promise<void> {
    this.#generation += 1;
    this.#reading.clear();
    const generation = this.#generation;
    const page = await this.#read(null);
    if (!page || generation !== this.#generation) return;
    batch(() => {
      this.#pages = [];
      this.stale.value = false;
      this.#append(null, page);
    });
  }

  /** Tries again what did not succeed. */
  again(): void {
    this.trouble.value = null;
    void (this.#pages.length === 0 ? this.#extend() : this.restart());
  }

  close(): void {
    this.#generation += 1;
    this.#abort.abort();
  }

  /** Takes over what events say of rows that are kept. */
  apply(events: readonly LiveEvent[]): void {
    const last = new Map<string, FileEvent>();
    for (const event of events) if (isFileEvent(event, this.query.uploadId)) last.set(event.path, event);
    if (last.size === 0) return;
    for (const event of last.values()) {
      if (event.state !== "IN_PROGRESS") this.#sent.delete(event.path);
      else if (typeof event.bytes === "number") this.#sent.set(event.path, event.bytes);
    }
    for (const page of this.#pages) {
      if (!page.rows?.some((row) => last.has(row.path))) continue;
      page.rows = page.rows.map((row) => {
        const event = last.get(row.path);
        if (!event) return row;
        last.delete(row.path);
        if (this.query.state !== null && event.state !== this.query.state) this.stale.value = true;
        return patched(row, event);
      });
    }
    // Rows that are not kept may belong to the list or not: it is only known to be old when one may be new.
    if ([...last.values()].some((event) => this.#mayBelong(event))) this.stale.value = true;
    this.version.value += 1;
  }

  #mayBelong({ name, state, path }: FileEvent): boolean {
    const found = path.toLowerCase().includes(this.query.search.toLowerCase());
    if (this.query.state !== null) return found && state === this.query.state;
    return found && (name === "file:queued" || this.count.peek() < PAGE);
  }

  #pageOf(index: number): number {
    let [low, high] = [0, this.#pages.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#pages[middle]!.start <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async #extend(): Promise<void> {
    const at = this.#pages.length;
    if (!this.more.peek() || this.#reading.has(at) || this.trouble.peek()) return;
    this.#reading.add(at);
    const generation = this.#generation;
    const page = await this.#read(this.#next);
    if (generation !== this.#generation) return;
    this.#reading.delete(at);
    if (page) this.#append(this.#next, page);
  }

  async #refill(at: number): Promise<void> {
    const page = this.#pages[at];
    if (!page || this.#reading.has(at)) return;
    this.#reading.add(at);
    const generation = this.#generation;
    const found = await this.#read(page.cursor);
    if (generation !== this.#generation) return;
    this.#reading.delete(at);
    if (!found) return;
    // The page has the length it had: rows that have come since are seen after a restart.
    if (found.files.length !== page.count) this.stale.value = true;
    page.rows = found.files.slice(0, page.count);
    this.version.value += 1;
  }

  #append(cursor: string | null, { files, next_cursor }: FilesAnswer): void {
    const start = this.#pages.length === 0 ? 0 : this.count.peek();
    this.#pages.push({ cursor, start, count: files.length, rows: files });
    this.#next = next_cursor;
    batch(() => {
      this.more.value = next_cursor !== null;
      this.count.value = start + files.length;
      this.version.value += 1;
    });
    // A search may find little per page.
    if (next_cursor !== null && this.#view[1] >= this.count.peek()) void this.#extend();
  }

  #drop(from: number, to: number): void {
    if (this.#pages.filter((page) => page.rows).length <= KEEP) return;
    const near = Math.floor(KEEP / 2);
    this.#pages.forEach((page, at) => {
      if (at < from - near || at > to + near) page.rows = null;
    });
  }

  async #read(cursor: string | null): Promise<FilesAnswer | null> {
    const { uploadId, state, search } = this.query;
    const query = new URLSearchParams({ limit: `${PAGE}` });
    if (state !== null) query.set("state", state);
    if (search !== "") query.set("search", search);
    if (cursor !== null) query.set("cursor", cursor);
    try {
      return await read<FilesAnswer>(`/uploads/${encodeURIComponent(uploadId)}/files?${query}`, this.#abort.signal);
    } catch (error) {
      if (error instanceof ApiError) this.trouble.value = error;
      return null;
    }
  }
}

function isFileEvent(event: LiveEvent, uploadId: string): event is FileEvent {
  return event.upload_id === uploadId && event.path !== undefined && event.name.startsWith("file:");
}

function patched(row: File, event: FileEvent): File {
  const uploaded = event.name === "file:uploaded";
  return {
    ...row,
    state: event.state as FileState,
    reason: event.reason ?? null,
    size: numberOr(event.size, row.size),
    attempts: numberOr(event.attempts, row.attempts),
    updated_at: event.at,
    ...(uploaded && { uploaded_at: event.at, etag: String(event.etag), checksum: String(event.checksum) }),
  };
}

function numberOr(value: unknown, other: number): number {
  return typeof value === "number" ? value : other;
}
