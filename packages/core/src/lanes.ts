import type { Flight } from "./flight.ts";
import { type Lane, QUANTUM_MS, RECORDING_AT_MOST } from "./lane.ts";
import type { UploadRecord } from "./upload.ts";

/** How often it is looked whether somebody has to make room. */
const CONTENTION_LOOK_MS = 1_000;
const MINUTE_MS = 60_000;
/** Files that only wait and take no place: at least so many, and never fewer than there are places. */
const PARKED_AT_LEAST = 16;

/**
 * The uploads that are being worked on, and whose turn it is. Times are monotonic.
 *
 * - Higher priorities go first; among equals the lane with the fewest files in flight, then the one whose files have had
 *   places for the shortest time, then whose turn was longest ago. Time that a lane has not used is not saved up
 *   (start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996).
 * - A file that only waits (for its upload's own bandwidth, for a source that hangs, for the ledger to record it) does not
 *   take a place; how many may do so is bounded, in all and for each lane.
 * - When all places are taken, one that has had its place for `QUANTUM_MS` is asked to make room for a lane with fewer
 *   files in flight or a higher priority: it ends after the parts that are under way, and goes on with the next part later.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  /** Those with files in flight: few, however many lanes there are. */
  readonly #flying = new Set<Lane>();
  /** Those with hours of their own. */
  readonly #withHours = new Set<Lane>();
  readonly #places: number;
  #turn = 0;
  /** What the lane whose turn came last had had before. */
  #hadPlaces = 0;

  /** @param places most files in flight that do not only wait */
  constructor(places: number) {
    this.#places = places;
  }

  get(uploadId: string): Lane | undefined {
    return this.#lanes.get(uploadId);
  }

  all(): Lane[] {
    return [...this.#lanes.values()];
  }

  /** Files in flight, those that only wait among them. */
  get inFlight(): number {
    let files = 0;
    for (const lane of this.#flying) files += lane.flights.size;
    return files;
  }

  add(lane: Lane): void {
    this.#lanes.set(lane.upload.id, lane);
    this.follow(lane, lane.upload);
  }

  /** The lane's upload is this now. */
  follow(lane: Lane, upload: UploadRecord): void {
    lane.follow(upload);
    if (lane.upload.spec.activeHours === null) this.#withHours.delete(lane);
    else this.#withHours.add(lane);
  }

  /** Forgets it, and what it has in flight; another that has taken its place stays. */
  remove(lane: Lane): void {
    if (this.#lanes.get(lane.upload.id) === lane) this.#lanes.delete(lane.upload.id);
    this.#flying.delete(lane);
    this.#withHours.delete(lane);
  }

  clear(): void {
    for (const lane of this.all()) this.remove(lane);
  }

  /** Puts a file of the lane on its way; `attempt` settles when it has landed. */
  launch(lane: Lane, attempt: (flight: Flight) => Promise<void>): void {
    this.#flying.add(lane);
    lane.launch(attempt);
  }

  /** The lane's flight is over. */
  land(lane: Lane, flight: Flight): void {
    lane.land(flight);
    if (lane.flights.size === 0) this.#flying.delete(lane);
  }

  /** Whether it is worked on, or is to be looked at. */
  has(lane: Lane): boolean {
    return this.#lanes.get(lane.upload.id) === lane && !lane.isAborted;
  }

  /** Places that are taken. */
  taken(now: number): number {
    let flying = 0;
    let parked = 0;
    let recording = 0;
    for (const lane of this.#flying) {
      flying += lane.flights.size;
      recording += lane.recording;
      for (const flight of lane.flights.keys()) if (!flight.isRecording && flight.isParked(now)) parked++;
    }
    const waiting = Math.min(parked, Math.max(this.#places, PARKED_AT_LEAST));
    return flying - waiting - Math.min(recording, RECORDING_AT_MOST);
  }

  /** Whose turn it is, of the lanes that have or may have work. */
  next(now: number): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      if (lane.isAborted || lane.airborne >= this.#places || !lane.ready(now)) continue;
      if (!best || this.#goesBefore(lane, best)) best = lane;
    }
    return best;
  }

  tookTurn(lane: Lane): void {
    lane.turn = ++this.#turn;
    this.#hadPlaces = lane.hadPlaces = Math.max(lane.hadPlaces, this.#hadPlaces);
  }

  #goesBefore(lane: Lane, other: Lane): boolean {
    if (lane.priority !== other.priority) return lane.priority > other.priority;
    if (lane.airborne !== other.airborne) return lane.airborne < other.airborne;
    const more = Math.max(lane.hadPlaces, this.#hadPlaces) - Math.max(other.hadPlaces, this.#hadPlaces);
    return more === 0 ? lane.turn < other.turn : more < 0;
  }

  /** The flight that has to make room for the lane, if one has: of the lowest priority, the one that began first. */
  outstaying(waiting: Lane, now: number): Flight | undefined {
    let best: { readonly flight: Flight; readonly priority: number } | undefined;
    for (const lane of this.#flying) {
      if (lane === waiting || !hasToYield(lane, waiting)) continue;
      for (const flight of lane.flights.keys()) {
        if (flight.isRecording || flight.isParked(now) || now - flight.begunAt < QUANTUM_MS) continue;
        // One at a time; but one that cannot end does not stand for all.
        if (flight.yieldedAt !== undefined && now - flight.yieldedAt < QUANTUM_MS) return undefined;
        if (flight.yieldedAt !== undefined) continue;
        const { priority } = lane;
        if (!best || priority < best.priority || (priority === best.priority && flight.begunAt < best.flight.begunAt))
          best = { flight, priority };
      }
    }
    return best?.flight;
  }

  /** When something may change by itself while there are places. */
  nextLook(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes.values())
      if (!lane.isAborted && lane.airborne < this.#places) next = Math.min(next, lane.nextLook(now));
    return next;
  }

  /** When something may change by itself while all places are taken. */
  nextRoom(now: number): number {
    const waiting = this.next(now);
    if (!waiting) return this.nextLook(now);
    let next = Number.POSITIVE_INFINITY;
    for (const lane of this.#flying) {
      if (lane !== waiting) next = Math.min(next, now + CONTENTION_LOOK_MS);
      for (const flight of lane.flights.keys()) if (flight.parksAt > now) next = Math.min(next, flight.parksAt);
    }
    return next;
  }

  /**
   * Opens and closes lanes by the hours.
   * @param serviceHours as in `UploadSpec`; a lane is open when both these and its upload's say so
   * @param wallTime milliseconds since 1970
   * @returns the lanes that have been closed
   */
  lookAtHours(serviceHours: string | null, wallTime: number): Lane[] {
    const closed: Lane[] = [];
    for (const lane of this.#lanes.values()) {
      const open = lane.isWithin(serviceHours, wallTime);
      if (open === lane.isOpen) continue;
      if (open) lane.open();
      else {
        lane.close();
        closed.push(lane);
      }
    }
    return closed;
  }

  /** Whether time opens and closes lanes. */
  hasHours(serviceHours: string | null): boolean {
    return serviceHours !== null || this.#withHours.size > 0;
  }

  /** Milliseconds until the hours may change: at the next full minute, however the clock is set meanwhile. */
  untilHours(serviceHours: string | null, wallTime: number): number {
    return this.hasHours(serviceHours) ? MINUTE_MS - (wallTime % MINUTE_MS) : Number.POSITIVE_INFINITY;
  }
}

/**
 * | the lane's priority          | has to make room for the one that waits       |
 * |------------------------------|-----------------------------------------------|
 * | lower                        | yes                                           |
 * | the same                     | if that one has none or two fewer in flight   |
 * | higher                       | no                                            |
 */
function hasToYield(lane: Lane, waiting: Lane): boolean {
  if (lane.priority !== waiting.priority) return lane.priority < waiting.priority;
  return waiting.airborne === 0 || lane.airborne >= waiting.airborne + 2;
}
