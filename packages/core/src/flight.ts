import type { Share } from "./bandwidth.ts";
import type { Clock } from "./ports/clock.ts";
import type { OpenFile, SourceRoot } from "./ports/file-system.ts";
import type { Pace, StopSignals } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";
import type { AttemptScope } from "./worker.ts";

/** A source that has not answered for so long hangs, or is very slow. Milliseconds. */
const STALLED_MS = 5_000;

/** What a flight knows of the lane it is in. */
export interface FlightLane {
  readonly upload: UploadRecord;
  readonly succeeded: boolean;
  readonly share: Share;
  /** Flights of which nothing is left but to record how they ended. */
  recording: number;
  root(): Promise<SourceRoot>;
}

/** One file on its way: can be told to make room, and shows when it only waits, so that others may use its place. */
export class Flight implements AttemptScope {
  /** Monotonic milliseconds, as all times here. */
  readonly begunAt: number;
  /** When it was asked to make room. */
  yieldedAt: number | undefined;
  readonly stop: StopSignals;
  readonly pace: Pace;
  readonly #lane: FlightLane;
  readonly #clock: Clock;
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  /** Bodies that wait for bandwidth. */
  #pacing = 0;
  /** Calls of the source that have not been answered. */
  #asking = 0;
  /** When the source last answered while there were other calls, or was asked first. */
  #movedAt = 0;
  #hasSent = false;
  #isRecording = false;

  /** @param onWait told when it begins to wait for bandwidth or for the ledger */
  constructor(lane: FlightLane, clock: Clock, onWait: () => void) {
    this.#lane = lane;
    this.#clock = clock;
    this.begunAt = clock.monotonic();
    this.stop = { drain: this.#drain.signal, abort: this.#abort.signal };
    this.pace = {
      isLimited: lane.share.isLimited,
      take: (bytes) => this.#take(bytes, onWait),
      refund: (bytes) => lane.share.refund(bytes),
      own: (body) => this.#leaves(body),
      records: () => this.#records(onWait),
    };
  }

  get upload(): UploadRecord {
    return this.#lane.upload;
  }

  get succeeded(): boolean {
    return this.#lane.succeeded;
  }

  async root(): Promise<Pick<SourceRoot, "facts" | "open">> {
    const root = await this.#ask(() => this.#lane.root());
    return {
      facts: root.facts,
      open: async (path, options) => this.#watched(await this.#ask(() => root.open(path, options))),
    };
  }

  /** Whether all is sent and verified, and the ledger alone is waited for. */
  get isRecording(): boolean {
    return this.#isRecording;
  }

  /**
   * Whether it takes no place: it only waits, for its upload's own bandwidth or for a source that does not answer, or it
   * has made room before its first body.
   */
  isParked(now: number): boolean {
    if (this.yieldedAt !== undefined && !this.#hasSent) return true;
    return (this.#pacing > 0 && this.#lane.share.delay > 0) || now >= this.parksAt;
  }

  /** When it counts as waiting for its source, should that not answer. */
  get parksAt(): number {
    return this.#asking > 0 ? this.#movedAt + STALLED_MS : Number.POSITIVE_INFINITY;
  }

  drain(): void {
    this.#drain.abort();
  }

  /**
   * As `drain`, so that another upload gets its place; but not before a body has been sent. What has been read, listed or
   * waited for until then would be for nothing, and two files could make room for each other for ever.
   */
  makeRoom(): void {
    this.yieldedAt = this.#clock.monotonic();
    if (this.#hasSent) this.drain();
  }

  abort(): void {
    this.#drain.abort();
    this.#abort.abort();
  }

  #leaves(body: Uint8Array): void {
    this.#lane.share.own(body);
    this.#hasSent = true;
    if (this.yieldedAt !== undefined) this.drain();
  }

  #records(onWait: () => void): void {
    if (this.#isRecording) return;
    this.#isRecording = true;
    this.#lane.recording += 1;
    onWait();
  }

  async #take(bytes: number, onWait: () => void): Promise<void> {
    const turn = this.#lane.share.take(bytes, this.stop.drain);
    if (!turn) return;
    this.#pacing++;
    onWait();
    await turn.finally(() => this.#pacing--);
  }

  #watched(file: OpenFile): OpenFile {
    // It cannot hang.
    if (file.snapshot) return file;
    return {
      stat: () => this.#ask(() => file.stat()),
      read: (target, position) => this.#ask(() => file.read(target, position)),
      readHashed: async (...order) => await this.#ask(async () => await file.readHashed?.(...order)),
      close: () => this.#ask(() => file.close()),
    };
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    if (this.#asking++ === 0) this.#movedAt = this.#clock.monotonic();
    try {
      return await call();
    } finally {
      if (--this.#asking > 0) this.#movedAt = this.#clock.monotonic();
    }
  }
}
