/**
 * Compares keys by their UTF-8 bytes, the order in which S3 lists them.
 * UTF-16 order differs only where a surrogate meets a code unit above the surrogates.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    let x = a.charCodeAt(at);
    let y = b.charCodeAt(at);
    if (x === y) continue;
    if (x >= 0xd800 && y >= 0xd800) {
      x += x >= 0xe000 ? -0x800 : 0x2000;
      y += y >= 0xe000 ? -0x800 : 0x2000;
    }
    return x - y;
  }
  return a.length - b.length;
}

/**
 * The keys of a bucket in listing order. Adding is O(1): new keys are merged in at the next read,
 * and deleted ones are left in place until they outnumber the rest.
 */
export class KeyIndex {
  readonly #live = new Set<string>();
  #sorted: string[] = [];
  #added: string[] = [];
  #dead = 0;

  add(key: string): void {
    if (this.#live.has(key)) return;
    this.#live.add(key);
    this.#added.push(key);
  }

  delete(key: string): void {
    if (this.#live.delete(key)) this.#dead++;
  }

  /** Live keys from the first that `isBefore` does not hold for; `isBefore` must hold for a prefix of the order. */
  *from(isBefore: (key: string) => boolean): Generator<string> {
    const keys = this.#merge();
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(keys[middle] as string)) low = middle + 1;
      else high = middle;
    }
    let previous: string | undefined;
    for (; low < keys.length; low++) {
      const key = keys[low] as string;
      if (key !== previous && this.#live.has(key)) yield key;
      previous = key;
    }
  }

  #merge(): string[] {
    if (this.#dead > this.#live.size) {
      this.#sorted = [...this.#live].sort(compareKeys);
      this.#added = [];
      this.#dead = 0;
    } else if (this.#added.length > 0) {
      // A new array: a listing in progress keeps reading the old one.
      this.#sorted = this.#sorted.concat(this.#added).sort(compareKeys);
      this.#added = [];
    }
    return this.#sorted;
  }
}
