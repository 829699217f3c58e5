interface Waiter {
  readonly size: number;
  readonly borrower: string;
  readonly grant: () => void;
}

/** A buffer on loan. Give it back exactly once, when nobody reads it any more. */
export interface Loan {
  /** Exactly as long as asked for, in memory of their own; their content is arbitrary. */
  readonly bytes: Buffer<ArrayBuffer>;
  /** `bytes` are these now, as many: where the memory was handed over to somebody, who gave this in return. */
  replace(bytes: Buffer<ArrayBuffer>): void;
  release(): void;
}

/**
 * One borrower's loans may be so many times what is left to the others: four fifths of the limit for one alone, two times
 * four ninths, and never all, however many hold what they have for ever (dynamic thresholds: Choudhury and Hahne, "Dynamic
 * Queue Length Thresholds for Shared-Memory Packet Switches", IEEE/ACM Transactions on Networking 6(2), 1998).
 */
const LOANS_TO_REST = 4;

/**
 * The one bound on the memory that bodies take: buffers on loan never sum up to more than the limit, and whoever asks
 * waits in line. A single request larger than the limit is served alone. A borrower that has its fair part of the memory
 * lets those behind it pass. Returned buffers are reused.
 */
export class BufferPool {
  readonly limit: number;
  #lent = 0;
  readonly #line: Waiter[] = [];
  readonly #lentTo = new Map<string, number>();
  readonly #free = new Map<number, Buffer<ArrayBuffer>[]>();
  #freeBytes = 0;

  /** @param limit bytes */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes on loan. */
  get lent(): number {
    return this.#lent;
  }

  /**
   * @param borrower the upload for which it is
   * @throws the signal's reason when it aborts first
   */
  async borrow(size: number, signal: AbortSignal, borrower: string): Promise<Loan> {
    signal.throwIfAborted();
    // Rounding up must not take a request beyond the limit that it keeps to.
    const capacity = size > this.limit ? size : Math.min(roundUp(size), this.limit);
    if (this.#mayPass(borrower) && this.#fits(capacity) && this.#isFair(borrower, capacity))
      this.#lend(borrower, capacity);
    else await this.#queue(capacity, signal, borrower);
    const whole = this.#take(capacity, borrower);
    return new PooledLoan(whole, size, (bytes) => this.#giveBack(bytes, capacity, borrower));
  }

  #lend(borrower: string, size: number): void {
    this.#lent += size;
    this.#lentTo.set(borrower, (this.#lentTo.get(borrower) ?? 0) + size);
  }

  #returned(borrower: string, size: number): void {
    this.#lent -= size;
    const left = (this.#lentTo.get(borrower) ?? 0) - size;
    if (left > 0) this.#lentTo.set(borrower, left);
    else this.#lentTo.delete(borrower);
  }

  /** Whoever waits only for its own loans to come back holds nobody else up. */
  #mayPass(borrower: string): boolean {
    return this.#line.every((waiter) => waiter.borrower !== borrower && !this.#isFair(waiter.borrower, waiter.size));
  }

  #isFair(borrower: string, size: number): boolean {
    const lent = this.#lentTo.get(borrower) ?? 0;
    return lent === 0 || lent + size <= LOANS_TO_REST * (this.limit - this.#lent - size);
  }

  #fits(size: number): boolean {
    return this.#lent === 0 || this.#lent + size <= this.limit;
  }

  #queue(size: number, signal: AbortSignal, borrower: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#line.splice(this.#line.indexOf(waiter), 1);
        reject(signal.reason);
        this.#serve();
      };
      const waiter: Waiter = {
        size,
        borrower,
        grant: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#line.push(waiter);
    });
  }

  #take(capacity: number, borrower: string): Buffer<ArrayBuffer> {
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
      this.#returned(borrower, capacity);
      this.#serve();
      throw error;
    }
  }

  /** @param whole is empty when its memory was handed over and lost */
  #giveBack(whole: Buffer<ArrayBuffer>, capacity: number, borrower: string): void {
    this.#returned(borrower, capacity);
    if (whole.length === capacity && this.#freeBytes + this.#lent + capacity <= this.limit) {
      const same = this.#free.get(capacity);
      if (same) same.push(whole);
      else this.#free.set(capacity, [whole]);
      this.#freeBytes += capacity;
    }
    this.#serve();
  }

  #serve(): void {
    // Those behind one that waits for its own loans may pass it; nobody passes one that waits for room.
    const passed = new Set<string>();
    for (let index = 0; index < this.#line.length; ) {
      const waiter = this.#line[index] as Waiter;
      const { size, borrower } = waiter;
      if (passed.has(borrower) || !this.#isFair(borrower, size)) {
        passed.add(borrower);
        index++;
        continue;
      }
      if (!this.#fits(size)) return;
      this.#line.splice(index, 1);
      this.#lend(borrower, size);
      waiter.grant();
    }
  }
}

class PooledLoan implements Loan {
  #whole: Buffer<ArrayBuffer>;
  #giveBack: ((whole: Buffer<ArrayBuffer>) => void) | undefined;
  bytes: Buffer<ArrayBuffer>;

  constructor(whole: Buffer<ArrayBuffer>, size: number, giveBack: (whole: Buffer<ArrayBuffer>) => void) {
    this.#whole = whole;
    this.#giveBack = giveBack;
    this.bytes = whole.subarray(0, size);
  }

  replace(bytes: Buffer<ArrayBuffer>): void {
    this.#whole = Buffer.from(bytes.buffer);
    this.bytes = bytes;
  }

  release(): void {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined;
    giveBack?.(this.#whole);
  }
}

const SMALLEST = 4 * 1024;
const MIB = 1024 * 1024;

/** Few distinct capacities, so that buffers can be reused: powers of two up to 1 MiB, whole MiB above. */
function roundUp(size: number): number {
  if (size > MIB) return Math.ceil(size / MIB) * MIB;
  return 2 ** Math.ceil(Math.log2(Math.max(size, SMALLEST)));
}
