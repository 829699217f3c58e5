/** A repeatable source of numbers from 0 up to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface SizeMix {
  /** Bytes: half of the files are smaller. */
  readonly median: number;
  /** Standard deviation of the natural logarithm: 2 means that one file in six is over 7 times the median. */
  readonly sigma: number;
  /** Bytes; nothing is larger. */
  readonly largest: number;
}

/** Log-normal sizes in whole bytes, as file sizes are found to be spread on most file systems. */
export function sizes({ median, sigma, largest }: SizeMix, random: () => number): () => number {
  let spare: number | undefined;
  // Two normal numbers come at a time (Box and Muller).
  const normal = () => {
    if (spare !== undefined) {
      const kept = spare;
      spare = undefined;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  return () => Math.min(largest, Math.round(median * Math.exp(sigma * normal())));
}
