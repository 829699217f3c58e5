import type { EventName } from "@bucketline/core";
import type { Entry, Journal } from "./journal.ts";

/** What one write may hold. */
const CHUNK_BYTES = 64 * 1024;
/** Clients that keep up stand at one position; each that comes back from elsewhere has one of its own. */
const MOST_CHUNKS = 16;

export interface Filter {
  /** Null: all uploads, and what is about none. */
  readonly uploadId: string | null;
  /** Null: all of them. */
  readonly types: readonly EventName[] | null;
}

/** Events to be written at once. */
export interface Chunk {
  readonly bytes: Buffer;
  /** Position of the first event that it does not reach. */
  readonly next: number;
  /** Bytes of the events in it that nothing can stand for. */
  readonly weight: number;
}

/** The same of a filter, whatever order and repetition its types have. */
export function filterKey({ uploadId, types }: Filter): string {
  return JSON.stringify([uploadId, types && [...new Set(types)].sort()]);
}

/** The events that a filter lets through, put together once for all clients that have the same filter and stand at the same position. */
export class Selection {
  readonly #journal: Journal;
  readonly #uploadId: string | null;
  readonly #types: ReadonlySet<EventName> | null;
  readonly #chunkBytes: number;
  readonly #chunks = new Map<string, Chunk>();
  /** How far the journal was when the chunks were made. */
  #madeAt = -1;
  #weighedTo: number;
  #weight = 0;

  /** @param chunkBytes at most so many in one write, but at least one event */
  constructor(journal: Journal, { uploadId, types }: Filter, chunkBytes = CHUNK_BYTES) {
    this.#journal = journal;
    this.#uploadId = uploadId;
    this.#types = types && new Set(types);
    this.#chunkBytes = Math.min(chunkBytes, CHUNK_BYTES);
    this.#weighedTo = journal.next;
  }

  /**
   * Bytes of all events so far that a client must get. Figures that a later one stands for count nothing: of those, no
   * more wait than there are files in flight.
   */
  get weight(): number {
    const { first, next } = this.#journal;
    for (let at = Math.max(first, this.#weighedTo); at < next; at++) this.#weight += this.#weigh(this.#journal.at(at));
    this.#weighedTo = next;
    return this.#weight;
  }

  /** `weight` as it was at an earlier position. */
  weightAt(position: number): number {
    let { weight } = this;
    for (let at = position; at < this.#journal.next; at++) weight -= this.#weigh(this.#journal.at(at));
    return weight;
  }

  /**
   * What comes next for a client that stands at `position`.
   * @param newestOnly leaves out figures that a later one in the same chunk stands for
   */
  chunk(position: number, newestOnly: boolean): Chunk {
    const { next } = this.#journal;
    if (this.#madeAt !== next || this.#chunks.size >= MOST_CHUNKS) {
      this.#chunks.clear();
      this.#madeAt = next;
    }
    const key = `${position}${newestOnly ? " newest" : ""}`;
    const known = this.#chunks.get(key);
    if (known) return known;
    const chunk = this.#make(position, newestOnly);
    this.#chunks.set(key, chunk);
    return chunk;
  }

  #make(position: number, newestOnly: boolean): Chunk {
    // In the order of insertion; what is deleted and set again comes last.
    const taken = new Map<string | number, Buffer>();
    let [size, weight, at] = [0, 0, position];
    for (; at < this.#journal.next && (size < this.#chunkBytes || taken.size === 0); at++) {
      const entry = this.#journal.at(at);
      if (!this.#wants(entry)) continue;
      const key = newestOnly && entry.subject !== null ? entry.subject : at;
      size += entry.frame.length - (taken.get(key)?.length ?? 0);
      taken.delete(key);
      taken.set(key, entry.frame);
      weight += this.#weigh(entry);
    }
    const frames = [...taken.values()];
    return { bytes: frames.length === 1 ? frames[0]! : Buffer.concat(frames, size), next: at, weight };
  }

  #wants({ uploadId, name }: Entry): boolean {
    return (this.#uploadId === null || this.#uploadId === uploadId) && (this.#types === null || this.#types.has(name));
  }

  #weigh(entry: Entry): number {
    return entry.subject === null && this.#wants(entry) ? entry.frame.length : 0;
  }
}
