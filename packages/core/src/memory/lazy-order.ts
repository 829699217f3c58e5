/** Items that may be over in a list of any length. */
const SLACK = 1_000;

/** A list that is put in order when somebody looks, so that a batch of additions costs one merge. */
export class LazyOrder<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #isCurrent: (item: T) => boolean;
  #sorted: T[] = [];
  #head = 0;
  #added: T[] = [];
  /** How long the list was when all that was over was last thrown away. */
  #kept = 0;

  constructor(compare: (a: T, b: T) => number, isCurrent: (item: T) => boolean) {
    this.#compare = compare;
    this.#isCurrent = isCurrent;
  }

  add(item: T): void {
    this.#added.push(item);
  }

  /** In order, from `head` on; may still hold items that are no longer current. */
  items(): readonly T[] {
    if (this.#added.length > 0) {
      const added = this.#added.sort(this.#compare);
      this.#added = [];
      this.#take(added);
    }
    while (this.#head < this.#sorted.length && !this.#isCurrent(this.#sorted[this.#head] as T)) this.#head++;
    // What is over is cut off now and then: a cut costs what is left.
    if (this.#head > this.#sorted.length / 2) this.#cut();
    return this.#sorted;
  }

  /** Index of the first item that is current. */
  get head(): number {
    return this.#head;
  }

  #take(added: readonly T[]): void {
    const last = this.#sorted.at(-1);
    // A scan adds in order: a copy of the whole list for each of its batches would cost the square of the list.
    if (last === undefined || this.#compare(last, added[0] as T) < 0) {
      for (const item of added) this.#push(this.#sorted, item);
      return this.#thin();
    }
    this.#cut();
    this.#sorted = this.#merge(this.#sorted, added);
    this.#kept = this.#sorted.length;
  }

  /** What is over may stand behind something that stays. Costs a constant for each item added. */
  #thin(): void {
    if (this.#sorted.length <= 2 * this.#kept + SLACK) return;
    this.#cut();
    this.#sorted = this.#sorted.filter(this.#isCurrent);
    this.#kept = this.#sorted.length;
  }

  #cut(): void {
    if (this.#head > 0) this.#sorted = this.#sorted.slice(this.#head);
    this.#head = 0;
  }

  #merge(old: readonly T[], added: readonly T[]): T[] {
    let index = lowerBound(old, (item) => this.#compare(item, added[0] as T) >= 0);
    const merged = old.slice(0, index);
    for (const item of added) {
      while (index < old.length && this.#compare(old[index] as T, item) < 0) this.#push(merged, old[index++] as T);
      this.#push(merged, item);
    }
    while (index < old.length) this.#push(merged, old[index++] as T);
    return merged;
  }

  #push(merged: T[], item: T): void {
    if (!this.#isCurrent(item)) return;
    const last = merged.at(-1);
    if (last === undefined || this.#compare(last, item) !== 0) merged.push(item);
  }
}

/** Index of the first item at or past a place, in a list that is in order. */
export function lowerBound<T>(items: readonly T[], isAtOrPast: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAtOrPast(items[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
