import { TextDecoder } from "node:util";
import { crc32Of } from "./checksum.ts";
import { ExportError } from "./errors.ts";
import type { FileRecord, FinishedPart } from "./file.ts";
import {
  type Check,
  count,
  defaulted,
  fileShape,
  noticeShape,
  partsShape,
  ShapeError,
  shape,
  text,
  time,
  uploadShape,
} from "./ledger-shapes.ts";
import type { Notice } from "./notice.ts";
import { comparePaths } from "./paths.ts";
import type { UploadRecord } from "./upload.ts";

const FORMAT = "bucketline-ledger";
const VERSION = 1;
/** Characters. A file with 10,000 finished parts takes about a million and a half. */
const LONGEST_LINE = 2 ** 25;

/** An export in pieces of any size, cut anywhere: what `exportLedger` yields, or a file's stream. Bytes are UTF-8. */
export type LedgerChunks = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/**
 * What an export says, one line after the other: an upload, then its files in path order, then the next upload; after the last
 * one all notices, in order of their ids.
 */
export type LedgerEntry =
  | { readonly upload: UploadRecord }
  | { readonly file: FileRecord; readonly parts: readonly FinishedPart[] }
  | { readonly notice: Notice }
  /** Comes last, and only when the export was whole. */
  | { readonly totals: LedgerTotals };

interface Header {
  readonly format: string;
  readonly version: number;
  readonly exportedAt: number;
}

/** How many records of each kind an export holds. */
export interface LedgerTotals {
  readonly uploads: number;
  readonly files: number;
  readonly parts: number;
  readonly notices: number;
}

interface Trailer extends LedgerTotals {
  /** Of every byte before the last line, as eight hexadecimal digits. */
  readonly crc32: string;
}

const headerShape = shape<Header>({ format: text, version: count, exportedAt: time });
const trailerShape = shape<Trailer>({
  uploads: count,
  files: count,
  parts: count,
  notices: defaulted(0, count),
  crc32: text,
});
const anything: Check<unknown> = (value) => value;
const KINDS = ["upload", "file", "notice", "end"] as const;
const lineShape = shape<{ [K in (typeof KINDS)[number] | "parts"]?: unknown }>({
  upload: anything,
  file: anything,
  parts: anything,
  notice: anything,
  end: anything,
});

/** What has been seen so far: the last line of an export must say the same. */
class Tally {
  uploads = 0;
  files = 0;
  parts = 0;
  notices = 0;
  #crc = 0;

  add(line: string): void {
    this.#crc = crc32Of(Buffer.from(line), this.#crc);
  }

  get trailer(): Trailer {
    const { uploads, files, parts, notices } = this;
    return { uploads, files, parts, notices, crc32: this.#crc.toString(16).padStart(8, "0") };
  }
}

/** Writes the lines of an export, each with its line end. */
export class LedgerEncoder {
  readonly #tally = new Tally();

  /** @param exportedAt milliseconds since 1970 */
  header(exportedAt: number): string {
    return this.#line({ format: FORMAT, version: VERSION, exportedAt } satisfies Header);
  }

  upload(upload: UploadRecord): string {
    this.#tally.uploads++;
    return this.#line({ upload });
  }

  file({ uploadId: _, ...file }: FileRecord, parts: readonly FinishedPart[]): string {
    this.#tally.files++;
    this.#tally.parts += parts.length;
    const written = { ...file, mtimeNs: String(file.mtimeNs) };
    return this.#line(parts.length === 0 ? { file: written } : { file: written, parts });
  }

  notice(notice: Notice): string {
    this.#tally.notices++;
    return this.#line({ notice });
  }

  trailer(): string {
    return this.#line({ end: this.#tally.trailer });
  }

  #line(value: object): string {
    const line = `${JSON.stringify(value)}\n`;
    this.#tally.add(line);
    return line;
  }
}

/**
 * Reads an export and believes nothing: each entry is checked before it is yielded.
 * @throws ExportError `EXPORT_INVALID` with the number of the line · `EXPORT_NEWER` · what the chunks throw
 */
export async function* decodeLedger(chunks: LedgerChunks): AsyncGenerator<LedgerEntry, void> {
  const decoder = new LedgerDecoder();
  for await (const line of linesOf(chunks)) {
    const entry = decoder.read(line);
    if (entry) yield entry;
  }
  yield { totals: decoder.totals() };
}

class LedgerDecoder {
  readonly #tally = new Tally();
  readonly #ids = new Set<string>();
  #number = 0;
  #upload = "";
  #path = "";
  #notice = "";
  #end: Trailer | undefined;

  /** @param line with its end, if it has one */
  read(line: string): LedgerEntry | undefined {
    this.#number++;
    try {
      const entry = this.#number === 1 ? this.#header(line) : this.#entry(line);
      if (!this.#end) this.#tally.add(line);
      return entry;
    } catch (error) {
      if (error instanceof SyntaxError) throw invalid(this.#number, "it is not JSON");
      if (error instanceof ShapeError) throw invalid(this.#number, error.message);
      throw error;
    }
  }

  totals(): LedgerTotals {
    if (this.#number === 0) throw new ExportError("EXPORT_INVALID", "The export is empty. Export the ledger again.");
    if (!this.#end) {
      const message = `The export was cut off after line ${this.#number}: its last line is missing. Export the ledger again.`;
      throw new ExportError("EXPORT_INVALID", message);
    }
    const { crc32: _, ...totals } = this.#end;
    return totals;
  }

  #header(line: string): undefined {
    const value: unknown = JSON.parse(line);
    const { format, version } = Object(value) as { format?: unknown; version?: unknown };
    if (format !== FORMAT) throw new ShapeError(`the format must be "${FORMAT}"`);
    if (typeof version === "number" && version > VERSION) {
      const message = `The export has version ${version}; this Bucketline reads up to ${VERSION}. Upgrade Bucketline.`;
      throw new ExportError("EXPORT_NEWER", message);
    }
    if (headerShape(value, "header").version < 1) throw new ShapeError("the version must be 1 or more");
  }

  #entry(line: string): LedgerEntry | undefined {
    if (this.#end) throw new ShapeError("nothing may stand behind the line that ends the export");
    const fields = lineShape(JSON.parse(line), "line");
    const kinds = KINDS.filter((name) => name in fields);
    if (kinds.length !== 1 || ("parts" in fields && !("file" in fields)))
      throw new ShapeError("a line must hold an upload, a file, a notice, or the end");
    if ("notice" in fields) return { notice: this.#readNotice(fields.notice) };
    if (this.#tally.notices > 0 && !("end" in fields)) throw new ShapeError("notices must stand behind all the rest");
    if ("upload" in fields) return { upload: this.#readUpload(fields.upload) };
    if ("file" in fields) return this.#readFile(fields.file, fields.parts ?? []);
    this.#readEnd(fields.end);
    return undefined;
  }

  #readUpload(value: unknown): UploadRecord {
    const upload = uploadShape(value, "upload");
    if (this.#ids.has(upload.id)) throw new ShapeError(`upload ${JSON.stringify(upload.id)} stands there twice`);
    this.#ids.add(upload.id);
    this.#tally.uploads++;
    this.#upload = upload.id;
    this.#path = "";
    return upload;
  }

  #readFile(value: unknown, list: unknown): LedgerEntry {
    if (this.#tally.uploads === 0) throw new ShapeError("a file must stand behind its upload");
    const file: FileRecord = { uploadId: this.#upload, ...fileShape(value, "file") };
    const parts = partsShape(list, "parts");
    if (comparePaths(file.path, this.#path) <= 0) throw new ShapeError("files must stand in path order");
    if (parts.length > 0 && file.transfer === null) throw new ShapeError("parts need a transfer");
    if (parts.some((part, index) => part.partNumber <= (parts[index - 1]?.partNumber ?? 0)))
      throw new ShapeError("parts must stand in the order of their numbers");
    this.#path = file.path;
    this.#tally.files++;
    this.#tally.parts += parts.length;
    return { file, parts };
  }

  #readNotice(value: unknown): Notice {
    const notice = noticeShape(value, "notice");
    const { uploadId } = notice.payload;
    if (!this.#ids.has(uploadId)) throw new ShapeError(`there is no upload ${JSON.stringify(uploadId)} for the notice`);
    if (notice.id <= this.#notice) throw new ShapeError("notices must stand in the order of their ids");
    this.#notice = notice.id;
    this.#tally.notices++;
    return notice;
  }

  #readEnd(value: unknown): void {
    const end = trailerShape(value, "end");
    const seen = this.#tally.trailer;
    for (const name of ["uploads", "files", "parts", "notices"] as const)
      if (end[name] !== seen[name]) throw new ShapeError(`it counts ${end[name]} ${name}, but ${seen[name]} came`);
    if (end.crc32 !== seen.crc32) throw new ShapeError("the checksum differs: something before this line was changed");
    this.#end = end;
  }
}

/** Lines with their ends; the last one may have none. */
async function* linesOf(chunks: LedgerChunks): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let number = 1;
  for await (const chunk of chunks) {
    const read = decode(decoder, chunk, number);
    let begin = 0;
    for (let end = read.indexOf("\n"); end !== -1; end = read.indexOf("\n", begin)) {
      yield rest + read.slice(begin, end + 1);
      rest = "";
      number++;
      begin = end + 1;
    }
    rest += read.slice(begin);
    if (rest.length > LONGEST_LINE) throw invalid(number, "it is longer than any line of an export");
  }
  rest += decode(decoder, undefined, number);
  if (rest !== "") yield rest;
}

/** @param chunk undefined: there is no more */
function decode(decoder: TextDecoder, chunk: string | Uint8Array | undefined, line: number): string {
  if (typeof chunk === "string") return chunk;
  if (chunk !== undefined && !(chunk instanceof Uint8Array)) throw invalid(line, "a chunk is neither text nor bytes");
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch {
    throw invalid(line, "it is not UTF-8");
  }
}

function invalid(line: number, what: string): ExportError {
  return new ExportError(
    "EXPORT_INVALID",
    `Line ${line} of the export cannot be used: ${what}. Export the ledger again.`,
  );
}
