interface Waiter {
  readonly size: number;
  readonly grant: () => void;
}

/** A buffer on loan. Give it back exactly once, when nobody reads it any more. */
export interface Loan {
  /** Exactly as long as asked for; its content is arbitrary. */
  readonly bytes: Buffer;
  release(): void;
}

/**
 * The one bound on the memory that bodies take: buffers on loan never sum up to more than the limit, and whoever asks
 * waits in line. A single request larger than the limit is served alone. Returned buffers are reused.
 */
export class BufferPool {
  readonly limit: number;
  #lent = 0;
  readonly #line: Waiter[] = [];
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;

  /** @param limit bytes */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes on loan. */
  get lent(): number {
    return this.#lent;
  }

  /** @throws the signal's reason when it aborts first */
  async borrow(size: number, signal: AbortSignal): Promise<Loan> {
    signal.throwIfAborted();
    // Rounding up must not take a request beyond the limit that it keeps to.
    const capacity = size > this.limit ? size : Math.min(roundUp(size), this.limit);
    if (this.#line.length > 0 || !this.#fits(capacity)) await this.#queue(capacity, signal);
    else this.#lent += capacity;
    const whole = this.#take(capacity);
    let returned = false;
    return {
      bytes: whole.subarray(0, size),
      release: () => {
        if (returned) return;
        returned = true;
        this.#giveBack(whole);
      },
    };
  }

  #fits(size: number): boolean {
    return this.#lent === 0 || this.#lent + size <= this.limit;
  }

  #queue(size: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#line.splice(this.#line.indexOf(waiter), 1);
        reject(signal.reason);
        this.#serve();
      };
      const waiter: Waiter = {
        size,
        grant: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#line.push(waiter);
    });
  }

  #take(capacity: number): Buffer {
    const kept = this.#free.get(capacity)?.pop();
    if (kept) {
      this.#freeBytes -= capacity;
      return kept;
    }
    if (this.#lent + this.#freeBytes > this.limit) {
      this.#free.clear();
      this.#freeBytes = 0;
    }
    try {
      return Buffer.allocUnsafeSlow(capacity);
    } catch (error) {
      this.#lent -= capacity;
      this.#serve();
      throw error;
    }
  }

  #giveBack(buffer: Buffer): void {
    this.#lent -= buffer.length;
    if (this.#freeBytes + this.#lent + buffer.length <= this.limit) {
      const same = this.#free.get(buffer.length);
      if (same) same.push(buffer);
      else this.#free.set(buffer.length, [buffer]);
      this.#freeBytes += buffer.length;
    }
    this.#serve();
  }

  #serve(): void {
    for (let first = this.#line[0]; first && this.#fits(first.size); first = this.#line[0]) {
      this.#line.shift();
      this.#lent += first.size;
      first.grant();
    }
  }
}

const SMALLEST = 4 * 1024;
const MIB = 1024 * 1024;

/** Few distinct capacities, so that buffers can be reused: powers of two up to 1 MiB, whole MiB above. */
function roundUp(size: number): number {
  if (size > MIB) return Math.ceil(size / MIB) * MIB;
  return 2 ** Math.ceil(Math.log2(Math.max(size, SMALLEST)));
}
