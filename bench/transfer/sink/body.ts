const CR_LF = 2;
/** Enough for the last chunk of an aws-chunked body with its trailer. */
const TAIL_BYTES = 512;

/** Takes the bytes of one body, counts them and forgets all but the last. */
export class Body {
  received = 0;
  done: boolean;
  /** The end of the body, for trailers; empty unless asked for. */
  tail = "";
  readonly #keepsTail: boolean;
  readonly #chunked: boolean;
  /** Bytes until the body, or the current chunk with its line end, is complete. */
  #left: number;
  #line = "";
  #last = false;

  constructor(headers: ReadonlyMap<string, string>) {
    this.#chunked = headers.get("transfer-encoding")?.toLowerCase() === "chunked";
    this.#keepsTail = headers.has("x-amz-trailer") || headers.get("content-encoding")?.includes("aws-chunked") === true;
    this.#left = this.#chunked ? 0 : Number(headers.get("content-length") ?? 0);
    this.done = !this.#chunked && this.#left === 0;
  }

  /** @returns where in the data the body ends, or the data does */
  take(data: Buffer, from: number): number {
    let at = from;
    while (at < data.length && !this.done) at = this.#left > 0 ? this.#content(data, at) : this.#chunkLine(data, at);
    return at;
  }

  #content(data: Buffer, from: number): number {
    const taken = Math.min(this.#left, data.length - from);
    if (this.#keepsTail) {
      const text = data.toString("latin1", Math.max(from, from + taken - TAIL_BYTES), from + taken);
      this.tail = (this.tail + text).slice(-TAIL_BYTES);
    }
    this.#left -= taken;
    this.received += taken;
    if (this.#left === 0 && !this.#chunked) this.done = true;
    else if (this.#left === 0) this.received -= CR_LF;
    return from + taken;
  }

  #chunkLine(data: Buffer, from: number): number {
    const end = data.indexOf(10, from);
    this.#line += data.toString("latin1", from, end === -1 ? data.length : end);
    if (end === -1) return data.length;
    const line = this.#line.trim();
    this.#line = "";
    if (this.#last) {
      this.tail += line;
      // The trailer of the chunked encoding ends with an empty line.
      this.done = line === "";
    } else {
      const size = Number.parseInt(line, 16);
      this.#last = size === 0;
      this.#left = size === 0 ? 0 : size + CR_LF;
    }
    return end + 1;
  }
}
