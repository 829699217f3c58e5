import { randomBytes } from "node:crypto";
import type { EventName } from "@bucketline/core";

/** Bytes that may be kept for each event that may be, on average. */
const BYTES_PER_EVENT = 2048;
const ID = /^([0-9a-f]{16})-([0-9a-z]{1,10})$/;

/** An event as it is kept and sent. */
export interface Entry {
  readonly name: EventName;
  /** Null: it is about no single upload. */
  readonly uploadId: string | null;
  /** Of absolute figures: what they are of, so that the newest of a kind can stand for all before it. Else null. */
  readonly subject: string | null;
  /** As it goes over the wire; shared by all clients. */
  readonly frame: Buffer;
}

export type Told = Omit<Entry, "frame"> & { readonly data: string };

/**
 * The last events, in order, each under a position that counts up from 0. Bounded: the oldest make room. What is kept is
 * of one uninterrupted time of listening, and ids of another journal are not known.
 */
export class Journal {
  readonly #run = randomBytes(8).toString("hex");
  readonly #limit: number;
  readonly #byteLimit: number;
  readonly #ring: Entry[] = [];
  #first = 0;
  #next = 0;
  #bytes = 0;

  /** @param limit events, at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
    this.#byteLimit = limit * BYTES_PER_EVENT;
  }

  /** Position of the oldest event that is kept. */
  get first(): number {
    return this.#first;
  }

  /** Position that the next event will have. */
  get next(): number {
    return this.#next;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append({ data, ...told }: Told): Entry {
    const id = this.idAt(this.#next + 1);
    const entry = { ...told, frame: Buffer.from(`event: ${told.name}\nid: ${id}\ndata: ${data}\n\n`) };
    if (this.#next - this.#first === this.#limit) this.#dropOldest();
    this.#ring[this.#next % this.#limit] = entry;
    this.#next += 1;
    this.#bytes += entry.frame.length;
    while (this.#bytes > this.#byteLimit && this.#next - this.#first > 1) this.#dropOldest();
    return entry;
  }

  /** @param position from `first` up to, and without, `next` */
  at(position: number): Entry {
    const entry = this.#ring[position % this.#limit];
    if (!entry || position < this.#first || position >= this.#next)
      throw new RangeError(`Event ${position} is not kept: there are ${this.#first} to ${this.#next - 1}.`);
    return entry;
  }

  /** Names the moment at which all events before `position` have been told. Opaque to clients. */
  idAt(position: number): string {
    return `${this.#run}-${position.toString(36)}`;
  }

  /** @returns the position that the id names; null when it is not ours, or events after it are no longer kept */
  positionOf(id: string): number | null {
    const [, run, digits = ""] = ID.exec(id) ?? [];
    if (run !== this.#run) return null;
    const position = Number.parseInt(digits, 36);
    return position >= this.#first && position <= this.#next ? position : null;
  }

  #dropOldest(): void {
    this.#bytes -= this.at(this.#first).frame.length;
    this.#first += 1;
  }
}
