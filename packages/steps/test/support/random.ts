/** A seeded source of whole numbers (mulberry32), so that a failing run can be repeated. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From `least` to `most`, both included. */
  int(least: number, most: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return least + (((mixed ^ (mixed >>> 14)) >>> 0) % (most - least + 1));
  }

  /** Half noise, half repetition: neither compresses to nothing nor not at all. */
  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) bytes[at] = at % 64 < 32 ? this.int(0, 255) : at & 7;
    return bytes;
  }

  /** Sizes of chunks that add up to at least `length`, empty ones among them. */
  cuts(length: number, largest: number): number[] {
    const sizes: number[] = [];
    for (let sum = 0; sum < length; ) {
      const size = this.int(0, 9) === 0 ? 0 : this.int(1, largest);
      sizes.push(size);
      sum += size;
    }
    return sizes;
  }
}

/** Runs a property for several seeds; a failure names the seed. */
export async function forSeeds(count: number, property: (dice: Dice) => Promise<void>): Promise<void> {
  for (let seed = 1; seed <= count; seed += 1) {
    try {
      await property(new Dice(seed));
    } catch (cause) {
      throw new Error(`Failed with seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }
}
