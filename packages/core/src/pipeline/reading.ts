import { type Checksum, crc32Of, formatCrc32 } from "../checksum.ts";
import { SourceError } from "../errors.ts";
import { checkUntouched, type Source } from "../transfer.ts";
import type { StepWatch } from "./step-watch.ts";

/** Bytes read at a time: with the bounded number of files in flight, the memory that steps cost. */
const CHUNK = 64 * 1024;

/** The bytes of a pinned file for the steps of its pipeline. */
export class Reading {
  /** Bytes handed out. */
  bytes = 0;
  /** What went wrong with the file itself. */
  failure: unknown;
  readonly #source: Source;
  readonly #path: string;
  readonly #watch: Pick<StepWatch, "signal" | "moved">;
  #crc = 0;
  #asked = 0;

  constructor(source: Source, path: string, watch: Pick<StepWatch, "signal" | "moved">) {
    this.#source = source;
    this.#path = path;
    this.#watch = watch;
  }

  /** The file itself is waited for. */
  get isAsked(): boolean {
    return this.#asked > 0;
  }

  /** Of all bytes, once `whole` has come to its end. */
  get checksum(): Checksum {
    return formatCrc32(this.#crc);
  }

  /** @param most bytes */
  async head(most: number): Promise<Uint8Array> {
    const target = Buffer.allocUnsafe(Math.min(most, this.#source.facts.size));
    await this.#fill(target, 0);
    return target;
  }

  /** Every byte, each time from the first. At the end the file is known to be what it was when it was pinned. */
  async *whole(): AsyncGenerator<Uint8Array> {
    const { size } = this.#source.facts;
    let crc = 0;
    for (let position = 0; position < size; ) {
      const target = Buffer.allocUnsafe(Math.min(CHUNK, size - position));
      await this.#fill(target, position);
      crc = crc32Of(target, crc);
      position += target.length;
      yield target;
    }
    await this.#blame(checkUntouched(this.#source, this.#path));
    this.#crc = crc;
  }

  async #fill(target: Uint8Array, position: number): Promise<void> {
    this.#watch.signal.throwIfAborted();
    const read = await this.#blame(this.#source.handle.read(target, position));
    if (read < target.length)
      await this.#blame(
        Promise.reject(new SourceError("SOURCE_CHANGED", `${this.#path} became shorter while it was being read.`)),
      );
    this.bytes += read;
  }

  async #blame<T>(work: Promise<T>): Promise<T> {
    this.#asked++;
    try {
      return await work;
    } catch (error) {
      this.failure ??= error;
      throw error;
    } finally {
      this.#asked--;
      this.#watch.moved();
    }
  }
}
