import { setTimeout as pause } from "node:timers/promises";
import { type EventName, ServiceError, type UploadService } from "@bucketline/core";
import type { FastifyReply } from "fastify";
import { EVENT_NAMES } from "../schemas/events.ts";
import { beginStream } from "./answer.ts";
import { eventData } from "./event-data.ts";
import { EventStream } from "./event-stream.ts";
import { heartbeat, opening, reset } from "./frames.ts";
import { Journal } from "./journal.ts";
import { Places } from "./places.ts";
import { type Filter, filterKey, Selection } from "./selection.ts";
import type { LiveSettings } from "./settings.ts";

/** At least so long between two rounds of writing; the first event after a silence does not wait. */
const ROUND_MS = 50;
/** Rounds take no more than a tenth of the time. */
const ROUND_SHARE = 9;
/** Bytes that begin a round at once. */
const ROUND_BYTES = 256 * 1024;
/** How long clients may be away, when there are no others, without missing anything. */
const MEMORY_MS = 5 * 60_000;
/** How long the last words may take when the server closes. */
const FAREWELL_MS = 250;

/** What a client asks for. */
export interface Listening {
  /** Whose places it takes. */
  readonly client: string;
  readonly filter: Filter;
  /** Undefined: from now on. */
  readonly lastEventId: string | undefined;
  readonly expiresAt: number | null;
  readonly isAdmitted: () => boolean;
}

/**
 * Tells everybody who listens over HTTP what the service tells. It listens to the service itself from the first stream until
 * five minutes after the last: for nobody, no event is put together. However many streams there are, an event is written down
 * once, and there is one timer of each kind.
 */
export class Broadcast {
  readonly #service: Pick<UploadService, "on" | "off" | "status">;
  readonly #settings: LiveSettings;
  readonly #places: Places;
  readonly #listeners = EVENT_NAMES.map((name) => [name, (event: object) => this.#record(name, event)] as const);
  readonly #streams = new Set<EventStream>();
  readonly #selections = new Map<string, { readonly selection: Selection; users: number }>();
  #journal: Journal | null = null;
  #round: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  #forgetting: NodeJS.Timeout | undefined;
  /** On the clock of `performance`. */
  #nextRoundAt = 0;
  #unsent = { events: 0, bytes: 0 };
  #closed = false;

  constructor(service: Pick<UploadService, "on" | "off" | "status">, settings: LiveSettings) {
    this.#service = service;
    this.#settings = settings;
    this.#places = new Places(settings.maxStreams);
  }

  /** Streams that are open. */
  get size(): number {
    return this.#streams.size;
  }

  /** @throws ServiceError `SERVICE_STOPPED` */
  refuseIfStopped(): void {
    if (this.#closed || this.#service.status().stopping)
      throw new ServiceError("SERVICE_STOPPED", "The service is stopping and tells nothing any more.");
  }

  /** Answers with a stream. @throws HttpError `TOO_MANY_STREAMS` · ServiceError `SERVICE_STOPPED` */
  open(reply: FastifyReply, { client, filter, lastEventId, expiresAt, isAdmitted }: Listening): void {
    this.refuseIfStopped();
    reply.raw.once("close", this.#places.take(client));
    const journal = this.#listen();
    const position = lastEventId === undefined ? journal.next : journal.positionOf(lastEventId);
    const key = filterKey(filter);
    const { maxBacklog } = this.#settings;
    const stream = new EventStream(beginStream(reply), {
      journal,
      selection: this.#select(key, filter, journal),
      position: position ?? journal.next,
      maxBacklog,
      expiresAt,
      isAdmitted,
    });
    this.#streams.add(stream);
    reply.raw.once("close", () => this.#forget(stream, key));
    stream.write(opening(journal.idAt(position ?? journal.next)));
    if (position === null) stream.write(reset(journal.idAt(journal.next), Date.now()));
    stream.advance(Date.now());
  }

  /** Ends the streams of those who have logged out. */
  shutOut(): void {
    const now = Date.now();
    for (const stream of this.#streams) stream.endsIfShutOut(now);
  }

  /** Ends all streams, soon, whether or not their clients read, and listens no more. */
  async close(): Promise<void> {
    this.#closed = true;
    const now = Date.now();
    if (this.#streams.size > 0) this.#sendAll();
    for (const stream of this.#streams) stream.close(now);
    const deadline = performance.now() + FAREWELL_MS;
    while (this.#streams.size > 0 && performance.now() < deadline) await pause(5);
    for (const stream of this.#streams) stream.drop();
    this.#stopListening();
  }

  #select(key: string, filter: Filter, journal: Journal): Selection {
    const known = this.#selections.get(key) ?? {
      selection: new Selection(journal, filter, this.#settings.maxBacklog / 2),
      users: 0,
    };
    known.users += 1;
    this.#selections.set(key, known);
    return known.selection;
  }

  #forget(stream: EventStream, key: string): void {
    if (!this.#streams.delete(stream)) return;
    const selected = this.#selections.get(key);
    if (selected && --selected.users === 0) this.#selections.delete(key);
    if (this.#streams.size > 0) return;
    clearInterval(this.#beat);
    this.#beat = undefined;
    if (!this.#closed) this.#forgetting = setTimeout(() => this.#stopListening(), MEMORY_MS).unref();
  }

  #listen(): Journal {
    clearTimeout(this.#forgetting);
    this.#beat ??= setInterval(() => this.#beatAll(), this.#settings.heartbeat).unref();
    if (this.#journal) return this.#journal;
    this.#journal = new Journal(this.#settings.buffer);
    for (const [name, listener] of this.#listeners) this.#service.on(name, listener);
    return this.#journal;
  }

  #stopListening(): void {
    for (const [name, listener] of this.#listeners) this.#service.off(name, listener);
    clearTimeout(this.#round);
    clearInterval(this.#beat);
    clearTimeout(this.#forgetting);
    this.#round = undefined;
    this.#beat = undefined;
    this.#journal = null;
    this.#selections.clear();
  }

  #record(name: EventName, payload: object): void {
    const uploadId = "uploadId" in payload && typeof payload.uploadId === "string" ? payload.uploadId : null;
    const path = "path" in payload ? `/${payload.path}` : "";
    const subject = name.endsWith(":progress") ? `${uploadId}${path}` : null;
    const entry = this.#journal?.append({ name, uploadId, subject, data: eventData(payload, Date.now()) });
    if (!entry || this.#streams.size === 0) return;
    this.#unsent.events += 1;
    this.#unsent.bytes += entry.frame.length;
    const isFull = this.#unsent.events * 2 >= this.#settings.buffer || this.#unsent.bytes >= ROUND_BYTES;
    if (isFull) this.#sendAll();
    else this.#round ??= setTimeout(() => this.#sendAll(), Math.max(0, this.#nextRoundAt - performance.now())).unref();
  }

  #sendAll(): void {
    clearTimeout(this.#round);
    this.#round = undefined;
    const begun = performance.now();
    const now = Date.now();
    for (const stream of this.#streams) stream.advance(now);
    this.#unsent = { events: 0, bytes: 0 };
    const ended = performance.now();
    this.#nextRoundAt = ended + Math.max(ROUND_MS, (ended - begun) * ROUND_SHARE);
  }

  #beatAll(): void {
    if (!this.#journal) return;
    const now = Date.now();
    const stopping = this.#service.status().stopping;
    this.#sendAll();
    const frame = heartbeat(this.#journal.idAt(this.#journal.next));
    for (const stream of this.#streams) {
      if (stopping) stream.end("stopping", now);
      else stream.beat(frame, now);
    }
  }
}
