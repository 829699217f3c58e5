import { isActive } from "./active-hours.ts";
import type { Share } from "./bandwidth.ts";
import type { Reason } from "./errors.ts";
import type { FileRecord } from "./file.ts";
import { Flight, type FlightLane } from "./flight.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileSystem, SourceRoot } from "./ports/file-system.ts";
import { openSource } from "./source.ts";
import type { UploadRecord } from "./upload.ts";

export interface LaneOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** What the upload may send. */
  readonly share: Share;
  /** Told when a flight begins to wait for bandwidth or for the ledger, so that another may use its place. */
  readonly onWait: () => void;
}

/** After so long in flight a file makes room, when another upload has waited for its turn. Milliseconds. */
export const QUANTUM_MS = 5_000;
/** Files in flight while the upload's bandwidth is spent: one that waits in line, and the next behind it. */
const FLIGHTS_WHEN_SPENT = 2;
/** Flights that only wait for the ledger, and take no place. As many as share one of its transactions. */
export const RECORDING_AT_MOST = 256;

/** One upload that is being worked on: its claimed files, those in flight, and when to look for more. Times are monotonic. */
export class Lane implements FlightLane {
  /** Claimed, not begun. */
  readonly queue: FileRecord[] = [];
  readonly flights = new Map<Flight, Promise<void>>();
  recording = 0;
  /** When the ledger may have work again; 0: now. */
  lookAgainAt = 0;
  /** Nothing is begun before: credentials are refused, or the store answers nobody. */
  heldUntil = 0;
  holds = 0;
  /** Whether any file of the lane has arrived: then a refusal concerns one file and not all of them. */
  succeeded = false;
  /** Access was denied and nothing has succeeded yet: the files in flight decide what it means. */
  denied: Reason | undefined;
  /** Number of its last turn. */
  turn = 0;
  /** Milliseconds for which its files have had places; never less than that of whoever had the turn before. */
  hadPlaces = 0;
  /** Whether it has been told that files wait for the hours. */
  toldOfHours = false;
  readonly share: Share;
  #upload: UploadRecord;
  #isOpen = true;
  #end: "drained" | "aborted" | undefined;
  #root: Promise<SourceRoot> | undefined;
  readonly #options: LaneOptions;

  constructor(upload: UploadRecord, options: LaneOptions) {
    this.#upload = upload;
    this.#options = options;
    this.share = options.share;
    this.follow(upload);
  }

  get upload(): UploadRecord {
    return this.#upload;
  }

  get priority(): number {
    return this.#upload.spec.priority;
  }

  /** Files in flight that need a place. */
  get airborne(): number {
    return this.flights.size - Math.min(this.recording, RECORDING_AT_MOST);
  }

  /** False outside the hours: nothing is begun, and what was in flight has been asked to end. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isAborted(): boolean {
    return this.#end === "aborted";
  }

  /** Whether its files may be sent, by the service's hours and its own. @param wallTime milliseconds since 1970 */
  isWithin(serviceHours: string | null, wallTime: number): boolean {
    return isActive(serviceHours, wallTime) && isActive(this.#upload.spec.activeHours, wallTime);
  }

  /** Takes over what has become of the upload, and its settings; an older record says nothing. */
  follow(upload: UploadRecord): void {
    if (upload.revision < this.#upload.revision) return;
    if (upload.spec.activeHours !== this.#upload.spec.activeHours) this.toldOfHours = false;
    this.#upload = upload;
    this.share.priority = upload.spec.priority;
    this.share.setLimit(upload.spec.bandwidthLimit);
  }

  /** The source folder, opened once. @throws SourceError */
  root(): Promise<SourceRoot> {
    this.#root ??= openSource(this.#options.fileSystem, this.#upload.spec).catch((error: unknown) => {
      this.#root = undefined;
      throw error;
    });
    return this.#root;
  }

  /** Puts a file on its way; `attempt` settles when it has landed. */
  launch(attempt: (flight: Flight) => Promise<void>): void {
    const flight = new Flight(this, this.#options.clock, this.#options.onWait);
    if (this.#end !== undefined) flight.drain();
    if (this.isAborted) flight.abort();
    this.flights.set(flight, attempt(flight));
  }

  /** The flight is over. */
  land(flight: Flight): void {
    if (this.flights.delete(flight) && flight.isRecording) this.recording -= 1;
    // However long it hung or waited: nobody is made to wait for long because of one file.
    this.hadPlaces += Math.min(this.#options.clock.monotonic() - flight.begunAt, QUANTUM_MS);
  }

  /** Whether it may begin another file, or has to look whether it is finished. */
  ready(now: number): boolean {
    return this.nextLook(now) <= now;
  }

  /** When it may be ready by itself. */
  nextLook(now: number): number {
    if (this.denied && this.flights.size > 0) return Number.POSITIVE_INFINITY;
    if (!this.#isOpen) return this.flights.size > 0 ? Number.POSITIVE_INFINITY : this.lookAgainAt;
    const paidAt = this.airborne >= FLIGHTS_WHEN_SPENT ? now + this.share.delay : 0;
    return Math.max(paidAt, this.heldUntil, this.queue.length > 0 ? 0 : this.lookAgainAt);
  }

  /** Unless it is to be looked at earlier: somebody may have queued something meanwhile. */
  lookAgainIn(delayMs: number, longestMs: number, now: number): void {
    this.lookAgainAt = Math.min(this.lookAgainAt, now + Math.min(Math.max(delayMs, 1), longestMs));
  }

  /** The hours have begun. */
  open(): void {
    this.#isOpen = true;
    this.toldOfHours = false;
    this.lookAgainAt = 0;
  }

  /** The hours are over: what is in flight finishes the requests it has made. */
  close(): void {
    this.#isOpen = false;
    this.lookAgainAt = 0;
    for (const flight of this.flights.keys()) flight.drain();
  }

  /** For good, as `abort`. */
  drain(): void {
    this.#end ??= "drained";
    for (const flight of this.flights.keys()) flight.drain();
  }

  abort(): void {
    this.#end = "aborted";
    for (const flight of this.flights.keys()) flight.abort();
  }

  /** Resolves when nothing is in flight any more. */
  async landed(): Promise<void> {
    await Promise.all(this.flights.values());
  }
}
