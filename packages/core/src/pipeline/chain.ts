import { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { abortable } from "../abortable.ts";
import type { ByteTransform } from "./step.ts";

/** One transform in its place. */
export interface Stage {
  readonly name: string;
  readonly stream: ByteTransform;
}

/** How far a stage has come. */
export interface StageMeter {
  bytesIn: number;
  bytesOut: number;
  /** Its output has come to its end. */
  done: boolean;
}

/** What went wrong first; `stage` null: the input. */
export interface ChainFailure {
  readonly stage: string | null;
  readonly error: unknown;
}

/**
 * Transforms behind each other. Whoever reads the output sets the pace: each stage is given no more than it takes, and what
 * waits between them is a few chunks. Ending early, for whatever reason, ends every stage.
 */
export class Chain {
  readonly meters: readonly StageMeter[];
  readonly #stages: readonly Stage[];
  readonly #input: AsyncIterable<Uint8Array>;
  readonly #cancels: (() => void)[] = [];
  readonly #onEnd: (index: number) => void;
  readonly #onMoved: () => void;
  /** Whether somebody waits for the input, and for the output of each stage. */
  readonly #asked: boolean[];
  #inputDone = false;
  #failure: ChainFailure | undefined;

  /**
   * @param onEnd told when the output of a stage has come to its end
   * @param onMoved told whenever bytes have moved
   */
  constructor(
    input: AsyncIterable<Uint8Array>,
    stages: readonly Stage[],
    onEnd: (index: number) => void = () => undefined,
    onMoved: () => void = () => undefined,
  ) {
    this.#input = input;
    this.#stages = stages;
    this.#onEnd = onEnd;
    this.#onMoved = onMoved;
    this.#asked = Array.from({ length: stages.length + 1 }, () => false);
    this.meters = stages.map(() => ({ bytesIn: 0, bytesOut: 0, done: false }));
  }

  get failure(): ChainFailure | undefined {
    return this.#failure;
  }

  /** The stage that is asked for more, and asks for nothing itself. Undefined: it is the input, or whoever reads. */
  get awaited(): string | undefined {
    let awaited: string | undefined;
    for (const [index, { name }] of [...this.#stages.entries()].reverse()) {
      if (!this.#asked[index + 1]) return awaited;
      awaited = name;
    }
    return this.#asked[0] ? undefined : awaited;
  }

  /**
   * What comes out of the last stage. Can be read once.
   * @throws what went wrong first · the signal's reason
   */
  async *output(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let bytes = this.#metered(this.#input, -1);
    for (const [index, stage] of this.#stages.entries())
      bytes = this.#metered(this.#through(stage.stream, bytes), index);
    try {
      yield* abortable(bytes, signal);
      this.#checkWhole();
    } catch (error) {
      signal.throwIfAborted();
      throw this.#failure?.error ?? error;
    } finally {
      for (const cancel of this.#cancels) cancel();
    }
  }

  /** A stage that hides what went wrong before it, or leaves some of its input, must not make a part look like the whole. */
  #checkWhole(): void {
    if (this.#failure) throw this.#failure.error;
    // The last one that did: it is because of it that those before could not come to their end.
    for (const [index, { name }] of [...this.#stages.entries()].reverse()) {
      if (index === 0 ? this.#inputDone : this.meters[index - 1]?.done) continue;
      const error = new Error("it ended before it had taken all of its input");
      this.#failure = { stage: name, error };
      throw error;
    }
  }

  async *#metered(bytes: AsyncIterable<Uint8Array>, index: number): AsyncGenerator<Uint8Array> {
    const [own, next] = [this.meters[index], this.meters[index + 1]];
    const iterator = bytes[Symbol.asyncIterator]();
    let over = false;
    try {
      for (let chunk = await this.#next(iterator, index); chunk; chunk = await this.#next(iterator, index)) {
        if (own) own.bytesOut += chunk.length;
        if (next) next.bytesIn += chunk.length;
        if (chunk.length === 0) continue;
        this.#onMoved();
        yield chunk;
      }
      this.#onMoved();
      over = true;
    } finally {
      // Whoever reads has ended early, perhaps by throwing what went wrong behind us into us.
      if (!over) iterator.return?.().catch(() => undefined);
    }
    if (!own) {
      this.#inputDone = true;
      return;
    }
    own.done = true;
    this.#onEnd(index);
  }

  /** @returns undefined at the end */
  async #next(iterator: AsyncIterator<Uint8Array>, index: number): Promise<Uint8Array | undefined> {
    this.#asked[index + 1] = true;
    try {
      const step = await iterator.next();
      if (step.done) return undefined;
      if (!(step.value instanceof Uint8Array)) throw new TypeError(`it gave ${typeof step.value} instead of bytes`);
      return step.value;
    } catch (error) {
      this.#failure ??= { stage: this.#stages[index]?.name ?? null, error };
      throw error;
    } finally {
      this.#asked[index + 1] = false;
    }
  }

  #through(stream: ByteTransform, input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    if (typeof stream === "function") return stream(input);
    if (stream instanceof Duplex || "pipe" in stream) return this.#throughNode(stream as Duplex, input);
    return this.#throughWeb(stream, input);
  }

  async *#throughNode(stream: Duplex, input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    // What it says after its end is nobody's business, and must not end the process.
    stream.on("error", () => undefined);
    const feed = Readable.from(input, { objectMode: true, highWaterMark: 1 });
    this.#cancels.push(() => {
      feed.destroy();
      stream.destroy();
    });
    const fed = pipeline(feed, stream);
    fed.catch(() => undefined);
    yield* stream as AsyncIterable<Uint8Array>;
    await fed;
  }

  async *#throughWeb(
    stream: Exclude<ByteTransform, Duplex | ((...args: never[]) => unknown)>,
    input: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    writer.closed.catch(() => undefined);
    reader.closed.catch(() => undefined);
    this.#cancels.push(() => {
      writer.abort().catch(() => undefined);
      reader.cancel().catch(() => undefined);
    });
    const feed = async () => {
      try {
        for await (const chunk of input) await writer.write(chunk);
        await writer.close();
      } catch (error) {
        await writer.abort(error).catch(() => undefined);
        throw error;
      }
    };
    const fed = feed();
    fed.catch(() => undefined);
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
    await fed;
  }
}
