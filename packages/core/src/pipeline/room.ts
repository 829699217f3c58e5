import { StepError } from "../errors.ts";

/** There is no room at the moment; others will make some. */
export class Crowded extends StepError {
  constructor(path: string) {
    super("SPOOL_FULL", `The spool has no room for ${path} at the moment. It waits.`);
  }
}

export interface RoomOptions {
  /** Bytes. */
  readonly limit: number;
  /** Removes one file that nobody works with. @returns false when there is none */
  readonly evict: () => Promise<boolean>;
  /** Whether files are being sent that will go. */
  readonly isSending: () => boolean;
}

/** Somebody who writes into the spool. */
export interface Writer {
  readonly path: string;
  /** Bytes that it has taken. */
  taken: number;
}

/**
 * The bound on the bytes of a spool. Nobody knows how long what he writes will become, so several may get stuck together:
 * then the one that began first waits for the others, and they give up what they have and come again.
 */
export class Room {
  readonly #options: RoomOptions;
  /** In the order in which they began. */
  readonly #writers = new Set<Writer>();
  #used = 0;
  #waiting: (() => void)[] = [];

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  get used(): number {
    return this.#used;
  }

  enter(path: string): Writer {
    const writer: Writer = { path, taken: 0 };
    this.#writers.add(writer);
    return writer;
  }

  /** It writes no more; what it has taken stays taken. */
  leave(writer: Writer): void {
    this.#writers.delete(writer);
    this.changed();
  }

  /** What was there before. */
  add(bytes: number): void {
    this.#used += bytes;
  }

  free(bytes: number): void {
    this.#used -= bytes;
    this.changed();
  }

  /** Whoever waits looks again. */
  changed(): void {
    for (const look of this.#waiting.splice(0)) look();
  }

  /**
   * Waits until there is room.
   * @throws StepError `SPOOL_FULL` when this alone is too much · Crowded · the signal's reason
   */
  async take(writer: Writer, bytes: number, signal: AbortSignal): Promise<void> {
    const { limit, evict, isSending } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      if (writer.taken + bytes > limit) {
        const message = `What the pipeline makes of ${writer.path} has more than ${limit} bytes, all that the spool may hold. Raise spool.maxBytes.`;
        throw new StepError("SPOOL_FULL", message);
      }
      if (this.#used + bytes <= limit) {
        this.#used += bytes;
        writer.taken += bytes;
        return;
      }
      if (await evict()) continue;
      if (this.#used + bytes <= limit) continue;
      const [oldest] = this.#writers;
      if (!isSending() && oldest !== writer) throw new Crowded(writer.path);
      await this.#change(signal);
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting = this.#waiting.filter((other) => other !== look);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(look);
    });
  }
}
