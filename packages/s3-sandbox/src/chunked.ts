import { createHash, type Hash } from "node:crypto";
import { S3Error } from "./errors.ts";
import type { ChunkSigner } from "./signature.ts";

const MAX_LINE = 8192;
const MIN_CHUNK = 8192;
const CR = 13;
const LF = 10;

export interface ChunkedOptions {
  /** Verifies chunk and trailer signatures when given. */
  signer?: ChunkSigner;
  /** Whether trailing headers may follow the last chunk. */
  trailer: boolean;
}

function incomplete(message: string): S3Error {
  return new S3Error("IncompleteBody", { message });
}

/**
 * Decodes an `aws-chunked` body as it arrives, verifying each chunk's signature at its end.
 * `push` returns the payload found so far as views of the input; nothing is copied.
 * Payload is handed out before its signature is known to be good: commit only after `finish()`.
 */
export class ChunkedDecoder {
  readonly trailers = new Map<string, string>();
  readonly #signer: ChunkSigner | undefined;
  readonly #trailerAllowed: boolean;
  #state: "size" | "data" | "dataEnd" | "trailer" | "done" = "size";
  #line = "";
  #remaining = 0;
  #hash: Hash | undefined;
  #signature = "";
  #sawShortChunk = false;
  #trailerText = "";
  #trailerSignature: string | undefined;

  constructor(options: ChunkedOptions) {
    this.#signer = options.signer;
    this.#trailerAllowed = options.trailer;
  }

  push(input: Buffer): Buffer[] {
    const payload: Buffer[] = [];
    let at = 0;
    while (at < input.length) {
      if (this.#state === "data") {
        const end = Math.min(input.length, at + this.#remaining);
        const piece = input.subarray(at, end);
        this.#hash?.update(piece);
        payload.push(piece);
        this.#remaining -= piece.length;
        at = end;
        if (this.#remaining === 0) {
          this.#verifyChunk();
          this.#state = "dataEnd";
        }
        continue;
      }
      if (this.#state === "done") throw incomplete("There is data after the end of the chunked body.");
      const lineEnd = input.indexOf(LF, at);
      const end = lineEnd < 0 ? input.length : lineEnd + 1;
      this.#line += input.toString("latin1", at, end);
      at = end;
      if (this.#line.length > MAX_LINE) throw incomplete("A chunk header is too long.");
      if (lineEnd >= 0) this.#endLine();
    }
    return payload;
  }

  /** Checks that the body is complete. Call once, after the last input. */
  finish(): void {
    // Clients may leave out the empty line after the last chunk when there is no trailer.
    if (this.#state === "trailer" && this.#line === "" && this.#trailerText === "" && !this.#trailerAllowed) return;
    if (this.#state !== "done") throw incomplete("The chunked body ended before its last chunk.");
  }

  #endLine(): void {
    const line = this.#line;
    if (line.charCodeAt(line.length - 2) !== CR && !(this.#state === "trailer")) {
      throw incomplete("A chunk line does not end with CRLF.");
    }
    const text = line.replace(/\r?\n$/, "");
    this.#line = "";
    if (this.#state === "size") this.#startChunk(text);
    else if (this.#state === "trailer") this.#trailerLine(text);
    else {
      if (text !== "") throw incomplete("A chunk is longer than its header says.");
      this.#state = "size";
    }
  }

  #startChunk(header: string): void {
    const match = /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(header);
    if (!match) throw incomplete("A chunk header is malformed.");
    if (this.#signer && match[2] === undefined)
      throw new S3Error("SignatureDoesNotMatch", { message: "A chunk has no signature." });
    this.#remaining = Number.parseInt(match[1] as string, 16);
    this.#signature = match[2] ?? "";
    this.#hash = this.#signer ? createHash("sha256") : undefined;
    if (this.#remaining > 0) {
      if (this.#sawShortChunk) throw new S3Error("InvalidChunkSizeError");
      this.#sawShortChunk = this.#remaining < MIN_CHUNK;
      this.#state = "data";
      return;
    }
    this.#verifyChunk();
    this.#state = "trailer";
  }

  #verifyChunk(): void {
    if (!this.#signer || !this.#hash) return;
    if (this.#signer.chunk(this.#hash.digest("hex")) !== this.#signature) {
      throw new S3Error("SignatureDoesNotMatch", { message: "The signature of a chunk does not match its data." });
    }
  }

  #trailerLine(text: string): void {
    if (text === "") {
      this.#endTrailer();
      return;
    }
    const at = text.indexOf(":");
    if (at <= 0 || !this.#trailerAllowed) throw new S3Error("MalformedTrailerError");
    const name = text.slice(0, at).trim().toLowerCase();
    const value = text.slice(at + 1).trim();
    if (name === "x-amz-trailer-signature") {
      this.#trailerSignature = value;
      return;
    }
    if (this.trailers.has(name)) throw new S3Error("MalformedTrailerError");
    this.trailers.set(name, value);
    this.#trailerText += `${name}:${value}\n`;
    if (this.#trailerText.length > MAX_LINE) throw new S3Error("MalformedTrailerError");
  }

  #endTrailer(): void {
    if (this.#signer && this.#trailerAllowed) {
      const expected = this.#signer.trailer(createHash("sha256").update(this.#trailerText, "latin1").digest("hex"));
      if (expected !== this.#trailerSignature) {
        throw new S3Error("SignatureDoesNotMatch", { message: "The signature of the trailer does not match." });
      }
    }
    this.#state = "done";
  }
}
