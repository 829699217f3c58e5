import { crc32 } from "node:zlib";
import type { StateStoreError } from "@bucketline/core";
import { MemoryState, type RecordWrite } from "@bucketline/core/memory";
import type { Disk, DiskFile } from "./disk.ts";
import { eachLine } from "./lines.ts";
import type { Place } from "./names.ts";
import { fileToJson, RecordReader } from "./records.ts";
import { corrupt, newer } from "./state-error.ts";

/** Of snapshots and journals alike. */
export const FORMAT = 1;

export interface SnapshotHead {
  /** Of the owner that wrote it; of the first state, the one before. */
  readonly generation: number;
  /** This generation's first journal whose writes are not all contained; null: all of its journals are. */
  readonly continuesIn: number | null;
}

export interface Snapshot extends SnapshotHead {
  readonly state: MemoryState;
  /** Knows the uploads, for the records that follow. */
  readonly reader: RecordReader;
  readonly bytes: number;
}

/** The first journal that a state needs beside its snapshot. */
export function firstNeeded(head: SnapshotHead): Place | undefined {
  return head.continuesIn === null ? undefined : { generation: head.generation, number: head.continuesIn };
}

/** Whether everything that stands in this journal stands in the snapshot. */
export function contains(head: SnapshotHead, { generation, number }: Place): boolean {
  if (generation !== head.generation) return generation < head.generation;
  return head.continuesIn === null || number < head.continuesIn;
}

const FILES = `],"files":[`;
const NOTICES = `],"notices":[`;
const END = `],"end":`;
const NEWLINE = Buffer.from("\n");
const SLICE_CHARS = 128 * 1024;
/** Far longer than any head. */
const HEAD_BYTES = 4_096;

/**
 * The state as one JSON object, one record a line. Other work goes on meanwhile: a write that happens to the state while
 * this runs may be in it or not, so the journal that was begun before this call has to be applied again on top.
 * @param keepGoing asked between slices; may throw
 * @returns the number of bytes
 */
export async function writeSnapshot(
  file: DiskFile,
  state: MemoryState,
  head: SnapshotHead,
  keepGoing: () => void,
): Promise<number> {
  let crc = 0;
  let bytes = 0;
  let slice = "";
  const flush = async () => {
    keepGoing();
    const buffer = Buffer.from(slice);
    crc = crc32(buffer, crc);
    bytes += buffer.length;
    slice = "";
    await file.append(buffer);
  };
  const counts = { uploads: 0, files: 0, notices: 0 };
  for (const text of texts(state, head, counts)) {
    slice += text;
    if (slice.length >= SLICE_CHARS) await flush();
  }
  await flush();
  slice = `${JSON.stringify({ ...counts, crc32: hex(crc) })}}\n`;
  await flush();
  return bytes;
}

interface Counts {
  uploads: number;
  files: number;
  /** There since the format has notices. */
  notices?: number;
}

function* texts(state: MemoryState, head: SnapshotHead, counts: Required<Counts>): Iterable<string> {
  yield `{"bucketline":${JSON.stringify({ version: FORMAT, ...head })},"uploads":[`;
  const uploads = [...state.uploads.values()];
  for (const upload of uploads) yield `${counts.uploads++ === 0 ? "\n" : ",\n"}${JSON.stringify(upload)}`;
  yield `\n${FILES}`;
  for (const { id } of uploads) {
    const files = state.filesOf(id);
    for (const file of files.after(undefined)) {
      yield `${counts.files++ === 0 ? "\n" : ",\n"}${JSON.stringify(fileToJson(file, files.parts(file.path)))}`;
    }
  }
  yield `\n${NOTICES}`;
  for (const notice of state.notices.list({ limit: Number.POSITIVE_INFINITY })) {
    yield `${counts.notices++ === 0 ? "\n" : ",\n"}${JSON.stringify(notice)}`;
  }
  yield `\n${END}`;
}

/**
 * What the first line says, without reading further.
 * @throws StateStoreError `STATE_CORRUPT` for what is no snapshot · `STATE_NEWER` · errors of the file system
 */
export async function readSnapshotHead(disk: Disk, name: string): Promise<SnapshotHead> {
  let start = Buffer.alloc(0);
  for await (const piece of disk.read(name)) {
    start = Buffer.concat([start, piece]);
    if (start.length >= HEAD_BYTES) break;
  }
  const end = start.indexOf("\n");
  if (start.length === 0) {
    throw corrupt(name, "is empty: whatever it held is gone. (To begin anew, remove it)");
  }
  return parseHead(name, end === -1 ? start.subarray(0, HEAD_BYTES) : start.subarray(0, end));
}

function parseHead(name: string, line: Buffer): SnapshotHead {
  const text = line.toString();
  const version = Number(/^\{"bucketline":\{"version":(\d{1,9})[,}]/.exec(text)?.[1]);
  if (version > FORMAT) throw newer(name, version, FORMAT);
  const foreign = () => corrupt(name, "is no state that Bucketline has written");
  if (version !== FORMAT || !text.endsWith(`,"uploads":[`)) throw foreign();
  try {
    const { generation, continuesIn } = JSON.parse(`${text}]}`).bucketline;
    if (!Number.isSafeInteger(generation) || (continuesIn !== null && !Number.isSafeInteger(continuesIn)))
      throw foreign();
    return { generation, continuesIn };
  } catch {
    throw foreign();
  }
}

/** @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · errors of the file system */
export async function readSnapshot(disk: Disk, name: string): Promise<Snapshot> {
  const parser = new SnapshotParser(name);
  const rest = await eachLine(disk.read(name), (line) => {
    parser.line(line);
    return true;
  });
  return parser.end(rest?.length ?? 0);
}

class SnapshotParser {
  readonly #name: string;
  readonly #state = new MemoryState();
  readonly #reader = new RecordReader();
  readonly #counts: Counts = { uploads: 0, files: 0 };
  #head: SnapshotHead | undefined;
  #section: keyof Counts | "end" = "uploads";
  #crc = 0;
  #lines = 0;
  #bytes = 0;

  constructor(name: string) {
    this.#name = name;
  }

  line(line: Buffer): void {
    this.#lines += 1;
    this.#bytes += line.length + 1;
    const section = this.#section;
    if (section === "end") throw this.#damaged("more than its end");
    if (this.#head === undefined) this.#head = parseHead(this.#name, line);
    else if (line[0] === 0x7b) this.#record(line, section);
    else if (line.toString("latin1", 0, FILES.length) === FILES) this.#section = "files";
    else if (line.toString("latin1", 0, NOTICES.length) === NOTICES) {
      this.#section = "notices";
      this.#counts.notices = 0;
    } else if (line.toString("latin1", 0, END.length) === END) return this.#check(line);
    else throw this.#damaged("not a record");
    this.#crc = crc32(NEWLINE, crc32(line, this.#crc));
  }

  end(rest: number): Snapshot {
    if (this.#head === undefined || this.#section !== "end") throw corrupt(this.#name, "is cut short");
    if (rest > 0) throw this.#damaged("more than its end");
    return { ...this.#head, state: this.#state, reader: this.#reader, bytes: this.#bytes };
  }

  #record(line: Buffer, section: keyof Counts): void {
    const end = line.at(-1) === 0x2c ? line.length - 1 : line.length;
    try {
      const value: unknown = JSON.parse(line.toString("utf8", 0, end));
      this.#state.apply(this.#read(section, value));
      this.#counts[section] = (this.#counts[section] ?? 0) + 1;
    } catch (error) {
      throw this.#damaged((error as Error).message, { cause: error });
    }
  }

  #read(section: keyof Counts, value: unknown): RecordWrite {
    if (section === "uploads") return this.#reader.upload(value);
    return section === "files" ? this.#reader.file(value) : this.#reader.notice(value);
  }

  #check(line: Buffer): void {
    this.#section = "end";
    const crc = crc32(line.subarray(0, END.length), this.#crc);
    const expected = `${JSON.stringify({ ...this.#counts, crc32: hex(crc) })}}`;
    if (line.toString("latin1", END.length) !== expected) {
      throw corrupt(this.#name, "is damaged: its checksum does not fit what it holds (it cannot be edited by hand)");
    }
  }

  #damaged(what: string, options?: ErrorOptions): StateStoreError {
    return corrupt(this.#name, `is damaged in line ${this.#lines} (${what})`, options);
  }
}

export function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
