import type { ServerResponse } from "node:http";
import { bye, type Farewell } from "./frames.ts";
import type { Journal } from "./journal.ts";
import type { Selection } from "./selection.ts";

/** A client that has taken nothing for so many heartbeats keeps its place no longer. */
const STALLED_BEATS = 4;

export interface StreamOptions {
  readonly journal: Journal;
  readonly selection: Selection;
  /** Of the first event that it gets. */
  readonly position: number;
  /** Bytes. */
  readonly maxBacklog: number;
  /** When the client's credential ends, in milliseconds since 1970; null: never. */
  readonly expiresAt: number | null;
  /** Whether the client may still listen. */
  readonly isAdmitted: () => boolean;
}

/**
 * One client. It has no queue: what waits for it waits in the journal, at its position, so that slow clients cost no memory
 * but what one write holds.
 */
export class EventStream {
  readonly #raw: ServerResponse;
  readonly #options: StreamOptions;
  #position: number;
  /** The selection's weight up to the position. */
  #passed: number;
  /** The client has not yet taken what was written. */
  #blocked = false;
  #wrote = false;
  #stalledBeats = 0;

  /** @param raw has sent its head */
  constructor(raw: ServerResponse, options: StreamOptions) {
    this.#raw = raw;
    this.#options = options;
    this.#position = options.position;
    this.#passed = options.selection.weightAt(options.position);
    raw.on("drain", () => this.#drained());
    // Writes that fail come with `close`, which is all that matters.
    raw.on("error", () => {});
  }

  /** Sends what there is, ends when the credential has, and drops a client that is too far behind. */
  advance(now: number): void {
    if (this.#endsIfExpired(now)) return;
    if (this.#blocked) this.#dropIfBehind();
    else this.#send(false);
  }

  /** @param heartbeat for a client that has seen everything */
  beat(heartbeat: Buffer, now: number): void {
    if (this.#endsIfExpired(now) || this.endsIfShutOut(now)) return;
    if (this.#blocked) {
      this.#stalledBeats += 1;
      if (this.#stalledBeats >= STALLED_BEATS) this.drop();
    } else if (!this.#wrote) this.#write(heartbeat);
    this.#wrote = false;
  }

  write(text: string): void {
    this.#write(Buffer.from(text));
  }

  /** Ends the stream after a last event; one whose client does not read is cut off. */
  end(reason: Farewell, now: number): void {
    if (this.#raw.writableEnded) return;
    if (this.#blocked) this.drop();
    else this.#raw.end(bye(reason, now));
  }

  /** Ends the stream when its client may no longer listen. @returns whether that is so */
  endsIfShutOut(now: number): boolean {
    if (this.#options.isAdmitted()) return false;
    this.end("expired", now);
    return true;
  }

  /** As `end`, and the connection goes, too. */
  close(now: number): void {
    const { socket, req } = this.#raw;
    this.end("stopping", now);
    // Of HTTP/2, a connection is its session's.
    if (socket && req.httpVersionMajor === 1) this.#raw.once("finish", () => socket.destroySoon());
  }

  /** Cuts the client off; it may come back with the id of its last event. */
  drop(): void {
    this.#raw.destroy();
  }

  #drained(): void {
    this.#blocked = false;
    this.#stalledBeats = 0;
    this.#send(true);
  }

  #send(late: boolean): void {
    const { journal, selection } = this.#options;
    if (this.#position < journal.first) return this.drop();
    while (!this.#blocked && this.#position < journal.next) {
      const { bytes, next, weight } = selection.chunk(this.#position, late);
      this.#position = next;
      this.#passed += weight;
      if (bytes.length > 0) this.#write(bytes);
    }
  }

  #write(bytes: Buffer): void {
    if (this.#raw.writableEnded || this.#raw.destroyed) return;
    this.#wrote = true;
    this.#blocked = !this.#raw.write(bytes);
  }

  #endsIfExpired(now: number): boolean {
    const { expiresAt } = this.#options;
    if (expiresAt === null || expiresAt > now) return false;
    this.end("expired", now);
    return true;
  }

  #dropIfBehind(): void {
    const { journal, selection, maxBacklog } = this.#options;
    const waiting = selection.weight - this.#passed + this.#raw.writableLength;
    if (waiting > maxBacklog || this.#position < journal.first) this.drop();
  }
}
