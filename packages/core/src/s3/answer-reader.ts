import { type AnswerHeaders, LONGEST_DOCUMENT } from "./refusal.ts";

/** An answer as it was read. */
export interface Answer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** The beginning of its body, as text. */
  readonly document: string;
}

/** What came is no answer of HTTP/1.1, or not all of one. */
export class UnreadableAnswer extends Error {
  override readonly name = "UnreadableAnswer";
}

/** A head, or a line between chunks, that goes on beyond this is none. Bytes. */
const LONGEST_HEAD = 64 * 1024;
/** An answer that goes on and on is not read further; its head is worth as much without the rest. Bytes. */
const LONGEST_ANSWER = 1024 ** 2;

/** Of these the first counts when there are several, as Node.js has it; of others all do. */
const SINGLE: ReadonlySet<string> = new Set(["age", "etag", "retry-after"]);

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const NOTHING = Buffer.alloc(0);

type Expected = "head" | "body" | "chunk" | "chunkEnd" | "trailer" | "nothing";

/**
 * Reads the answer to one PUT from the bytes of its connection (RFC 9112), however they are cut. Strict: whatever leaves a
 * doubt about where the answer ends is none. Interim answers (1xx) are passed over, asked for or not (RFC 9110, 15.2).
 */
export class AnswerReader {
  #expected: Expected = "head";
  #unread: Buffer = NOTHING;
  /** Bytes of the body, or of its chunk, that are still to come. */
  #left = 0;
  #isChunked = false;
  #isReusable = false;
  #status = 0;
  #headers: Record<string, string> = {};
  #document: Buffer[] = [];
  #length = 0;

  /** Whether the connection may carry another request, once the answer is complete. */
  get isReusable(): boolean {
    return this.#isReusable;
  }

  get answer(): Answer {
    const document = this.#length === 0 ? "" : Buffer.concat(this.#document).toString("utf8", 0, LONGEST_DOCUMENT);
    return { status: this.#status, headers: this.#headers, document };
  }

  /** @returns whether the answer is complete @throws UnreadableAnswer */
  read(bytes: Buffer): boolean {
    let rest = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    this.#unread = NOTHING;
    while (this.#expected !== "nothing") {
      const used = this.#expected === "body" ? this.#readBody(rest) : this.#readText(rest);
      if (used === 0) {
        this.#unread = rest;
        if (rest.length > LONGEST_HEAD) throw new UnreadableAnswer("the answer's head has no end.");
        return false;
      }
      rest = rest.subarray(used);
    }
    // Nobody has asked for more.
    if (rest.length > 0) this.#isReusable = false;
    return true;
  }

  /** The connection has ended in good order. @returns whether the answer is complete */
  end(): boolean {
    return this.#expected === "body" && this.#left === Number.POSITIVE_INFINITY;
  }

  /** @returns how many bytes it has used; 0 when more have to come first */
  #readBody(bytes: Buffer): number {
    const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    if (this.#length < LONGEST_DOCUMENT) this.#document.push(part);
    this.#length += part.length;
    this.#left -= part.length;
    if (this.#left === 0) this.#expected = this.#isChunked ? "chunkEnd" : "nothing";
    if (this.#length > LONGEST_ANSWER) {
      this.#isReusable = false;
      this.#expected = "nothing";
    }
    return part.length;
  }

  /** As `#readBody`. */
  #readText(bytes: Buffer): number {
    const mark = this.#expected === "head" ? "\r\n\r\n" : "\r\n";
    const end = bytes.indexOf(mark);
    if (end < 0) return 0;
    const text = bytes.toString("latin1", 0, end);
    if (this.#expected === "head") this.#readHead(text.split("\r\n"));
    else if (this.#expected === "chunk") this.#readSize(text);
    else if (this.#expected === "chunkEnd") this.#endChunk(text);
    else if (text === "") this.#expected = "nothing";
    return end + mark.length;
  }

  #readHead(lines: readonly string[]): void {
    const [, minor, code] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(lines[0] as string) ?? [];
    const status = Number(code);
    if (minor === undefined || status < 100 || status === 101) throw new UnreadableAnswer("the answer is no HTTP/1.1.");
    const headers = headersIn(lines);
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
    this.#isReusable = minor === "1" && !/\bclose\b/i.test(headers.connection ?? "");
    this.#left = lengthOf(status, headers);
    this.#isChunked = Number.isNaN(this.#left);
    if (this.#left === Number.POSITIVE_INFINITY) this.#isReusable = false;
    this.#expected = this.#isChunked ? "chunk" : this.#left === 0 ? "nothing" : "body";
  }

  #readSize(line: string): void {
    const [, size] = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i.exec(line) ?? [];
    if (size === undefined) throw new UnreadableAnswer("a chunk of the answer has no size.");
    this.#left = Number.parseInt(size, 16);
    this.#expected = this.#left === 0 ? "trailer" : "body";
  }

  #endChunk(line: string): void {
    if (line !== "") throw new UnreadableAnswer("a chunk of the answer is longer than it said.");
    this.#expected = "chunk";
  }
}

/** Names are in lower case. */
function headersIn(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index] as string;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = trimmed(line, colon + 1);
    if (!NAME.test(name) || /[\0\r\n]/.test(value)) throw new UnreadableAnswer("the answer's head is damaged.");
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (!SINGLE.has(name)) headers[name] = `${before}, ${value}`;
  }
  return headers;
}

/** Without the spaces and tabs around it. */
function trimmed(line: string, from: number): string {
  let [begin, end] = [from, line.length];
  while (begin < end && isBlank(line.charCodeAt(begin))) begin += 1;
  while (end > begin && isBlank(line.charCodeAt(end - 1))) end -= 1;
  return line.slice(begin, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/**
 * Bytes of the body; infinite: all until the connection ends; NaN: it comes in chunks (RFC 9112, 6.3).
 * @throws UnreadableAnswer when its head contradicts itself, as one that somebody has smuggled in may
 */
function lengthOf(status: number, headers: Readonly<Record<string, string>>): number {
  const { "content-length": length, "transfer-encoding": coding } = headers;
  if (status === 204 || status === 304) return 0;
  if (coding !== undefined) {
    if (length !== undefined) throw new UnreadableAnswer("the answer says its length in two ways.");
    return /(?:^|,)[ \t]*chunked$/i.test(coding) ? Number.NaN : Number.POSITIVE_INFINITY;
  }
  if (length === undefined) return Number.POSITIVE_INFINITY;
  if (!/^\d{1,15}$/.test(length)) throw new UnreadableAnswer("the answer's length is no number.");
  return Number(length);
}
