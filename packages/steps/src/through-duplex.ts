import { once } from "node:events";
import type { Duplex } from "node:stream";

/**
 * What comes out of a Node stream that `input` is written into. Rejects with the input's error, or with the stream's. When the
 * iteration ends before the stream does, the stream is handed to `abandon`, and the input is ended at its next chunk.
 */
export async function* throughDuplex(
  duplex: Duplex,
  input: AsyncIterable<Uint8Array>,
  abandon: (duplex: Duplex) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const flow = new Flow(duplex);
  flow.feed(input);
  try {
    for (let chunk = await flow.next(); chunk !== undefined; chunk = await flow.next()) yield chunk;
  } finally {
    if (flow.over()) abandon(duplex);
  }
}

/** Ends a stream at once. */
export function destroyed(duplex: Duplex): void {
  duplex.destroy();
}

/**
 * Lets a stream run to its end, and what comes out of it go nowhere. For streams of `@aws-crypto/encrypt-node`: destroying one of them
 * ends the process with an uncaught ERR_STREAM_PREMATURE_CLOSE (version 5.0.2). It costs a few frames.
 */
export function drainedAway(duplex: Duplex): void {
  duplex.removeAllListeners("readable");
  duplex.end();
  duplex.resume();
}

class Flow {
  readonly #duplex: Duplex;
  #failure: { readonly error: unknown } | undefined;
  #ended = false;
  #over = false;
  #wake: () => void = () => undefined;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    duplex.on("readable", () => this.#wake());
    duplex.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    duplex.on("error", (error: unknown) => this.#fail(error));
    duplex.on("close", () => this.#wake());
  }

  feed(input: AsyncIterable<Uint8Array>): void {
    this.#write(input).catch((error: unknown) => this.#fail(error));
  }

  /** Undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const chunk: Buffer | null = this.#duplex.read();
      if (chunk !== null) return chunk;
      if (this.#ended) return undefined;
      if (this.#duplex.destroyed) throw new Error("The stream was closed before its end.");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Nobody reads any more: true if the stream has not come to its end. */
  over(): boolean {
    this.#over = true;
    return !this.#ended;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async #write(input: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of input) {
      if (this.#over) return;
      // The AWS Encryption SDK's streams do not take a bare Uint8Array.
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      if (!this.#duplex.write(bytes)) await this.#drained();
      if (this.#over) return;
    }
    this.#duplex.end();
  }

  async #drained(): Promise<void> {
    const settled = new AbortController();
    const { signal } = settled;
    const wait = (event: string) => once(this.#duplex, event, { signal }).catch(() => undefined);
    await Promise.race([wait("drain"), wait("close")]);
    settled.abort();
  }
}
