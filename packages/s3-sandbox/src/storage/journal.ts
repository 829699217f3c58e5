import { closeSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import type { Catalog } from "../catalog.ts";
import { SandboxError } from "../errors.ts";
import type { Change } from "../records.ts";

const FORMAT = "s3-sandbox-journal";
const VERSION = 1;
const READ_SIZE = 1024 * 1024;
/** Below this many lines a journal is never rewritten. */
const MIN_COMPACTION = 2000;

function header(): string {
  return `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`;
}

function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
}

/** Complete lines of a file with the offset after each. A last line without its newline is left out. */
function* readLines(fd: number): Generator<{ line: string; end: number }> {
  let pending = Buffer.alloc(0);
  let position = 0;
  let consumed = 0;
  for (;;) {
    const buffer = Buffer.allocUnsafe(READ_SIZE);
    const count = readSync(fd, buffer, 0, READ_SIZE, position);
    if (count === 0) return;
    position += count;
    pending = Buffer.concat([pending, buffer.subarray(0, count)]);
    let from = 0;
    for (let at = pending.indexOf(10); at >= 0; at = pending.indexOf(10, from)) {
      const line = pending.toString("utf8", from, at);
      consumed += at + 1 - from;
      from = at + 1;
      yield { line, end: consumed };
    }
    pending = pending.subarray(from);
  }
}

/**
 * Every change in order, one JSON line each. Appending is one synchronous write, which survives the death of the
 * process (not of the machine: nothing is synced). A torn last line was never acknowledged and is cut off at the next
 * start.
 */
export class Journal {
  readonly #path: string;
  #fd: number;
  #length: number;

  private constructor(path: string, fd: number, length: number) {
    this.#path = path;
    this.#fd = fd;
    this.#length = length;
  }

  /**
   * Opens or creates the journal and applies its changes to the catalog.
   * @throws SandboxError SANDBOX_DIRECTORY_CORRUPT, SANDBOX_DIRECTORY_UNSUPPORTED
   */
  static open(path: string, catalog: Catalog): Journal {
    const fd = openSync(path, "a+", 0o600);
    try {
      const { length, lines } = replay(path, fd, catalog);
      ftruncateSync(fd, length);
      const journal = new Journal(path, fd, length);
      if (length === 0) journal.#write(header());
      else if (lines > MIN_COMPACTION && lines > 2 * [...catalog.snapshot()].length) journal.#compact(catalog);
      return journal;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  append(change: Change): void {
    this.#write(`${JSON.stringify(change)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(text: string): void {
    try {
      writeAll(this.#fd, text);
      this.#length += Buffer.byteLength(text);
    } catch (error) {
      // Half a line, from a full disk for example, must not swallow the next one.
      ftruncateSync(this.#fd, this.#length);
      throw error;
    }
  }

  /** Replaces the journal by the shortest one with the same result. */
  #compact(catalog: Catalog): void {
    const temporary = `${this.#path}.new`;
    const fd = openSync(temporary, "w", 0o600);
    let length = 0;
    const write = (text: string): void => {
      writeAll(fd, text);
      length += Buffer.byteLength(text);
    };
    write(header());
    for (const change of catalog.snapshot()) write(`${JSON.stringify(change)}\n`);
    closeSync(fd);
    renameSync(temporary, this.#path);
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, "a+", 0o600);
    this.#length = length;
  }
}

function replay(path: string, fd: number, catalog: Catalog): { length: number; lines: number } {
  let length = 0;
  let lines = 0;
  for (const { line, end } of readLines(fd)) {
    lines++;
    const value = parseLine(path, line, lines);
    if (lines === 1) checkHeader(path, value);
    else applyLine(path, catalog, value, lines);
    length = end;
  }
  return { length, lines };
}

function parseLine(path: string, line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw corrupt(path, number, cause);
  }
}

function applyLine(path: string, catalog: Catalog, value: unknown, number: number): void {
  try {
    catalog.apply(value as Change);
  } catch (cause) {
    throw corrupt(path, number, cause);
  }
}

function corrupt(path: string, line: number, cause: unknown): SandboxError {
  const message = `Line ${line} of "${path}" is not a change this sandbox wrote. Restore the directory from a copy, or delete it to start empty.`;
  return new SandboxError("SANDBOX_DIRECTORY_CORRUPT", message, { cause });
}

function checkHeader(path: string, value: unknown): void {
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format !== FORMAT) throw corrupt(path, 1, undefined);
  if (version === VERSION) return;
  throw new SandboxError(
    "SANDBOX_DIRECTORY_UNSUPPORTED",
    `"${path}" has format version ${String(version)}; this sandbox reads version ${VERSION}. Use the release that wrote it.`,
  );
}
