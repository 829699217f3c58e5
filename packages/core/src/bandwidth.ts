import { Alarm, type AlarmEntry } from "./decorators/alarm.ts";
import type { Clock } from "./ports/clock.ts";

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/** Shares that are kept before those with nothing to pay for are forgotten. */
const SHARES_KEPT = 1_000;
/** Unused rate is kept for so long, in milliseconds: then a burst is one second's worth and one body at most. */
const KEPT_MS = 1_000;

/**
 * Bytes per second, kept to by bodies of any size: a body may begin once all before it are paid for, and is paid for at
 * the rate afterwards. So a body far larger than a second's worth is sent, too, and a long pause follows it.
 */
class Rate {
  #limit: number | null;
  /** When all that has been sent is paid for. Monotonic. */
  #paidAt = Number.NEGATIVE_INFINITY;

  constructor(limit: number | null) {
    this.#limit = limit;
  }

  /** Bytes per second; null: none. */
  get limit(): number | null {
    return this.#limit;
  }

  get isLimited(): boolean {
    return this.#limit !== null;
  }

  /** A debt is never paid more slowly than when it was made, and at once when there is no limit any more. */
  change(limit: number | null, now: number): void {
    const [before, debt] = [this.#limit, this.delay(now)];
    this.#limit = limit;
    if (before === null || limit === null) this.#paidAt = Number.NEGATIVE_INFINITY;
    else if (debt > 0) this.#paidAt = now + debt * Math.min(1, before / limit);
  }

  /** Milliseconds until a body may begin. */
  delay(now: number): number {
    return this.#limit === null ? 0 : Math.max(0, this.#paidAt - now);
  }

  /** @param bytes negative when they were not sent after all */
  spend(bytes: number, now: number): void {
    if (this.#limit !== null) this.#paidAt = Math.max(this.#paidAt, now - KEPT_MS) + (bytes / this.#limit) * 1000;
  }
}

/** What one upload may send: its own limit, its line of waiting bodies, and its part in the service's limit. */
export class Share {
  /** Higher goes first where the service's limit makes uploads wait. */
  priority = 0;
  /** Number of its last turn. */
  turn = 0;
  readonly line: Waiter[] = [];
  readonly rate = new Rate(null);
  readonly #bandwidth: Bandwidth;

  constructor(bandwidth: Bandwidth) {
    this.#bandwidth = bandwidth;
  }

  /** @param limit bytes per second; null: none. Whoever waits is served by the new one. */
  setLimit(limit: number | null): void {
    this.#bandwidth.change(this.rate, limit);
  }

  /** By its own limit or the service's. */
  get isLimited(): boolean {
    return this.#bandwidth.isLimited(this);
  }

  /** Milliseconds for which its own limit makes the next body wait. */
  get delay(): number {
    return this.#bandwidth.delayOf(this);
  }

  /**
   * Waits in line until a body may be sent.
   * @returns undefined when it may be sent at once
   * @throws the signal's reason when it aborts first
   */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    signal.throwIfAborted();
    return this.#bandwidth.take(this, bytes, signal);
  }

  /** The bytes were not sent after all. */
  refund(bytes: number): void {
    this.#bandwidth.spend(this, -bytes);
  }

  /** The body is the upload's, should it be sent again. */
  own(body: Uint8Array): void {
    this.#bandwidth.own(this, body);
  }
}

/**
 * Makes bodies wait so that neither the service nor any upload sends more bytes per second than it may. Bodies of one
 * upload go in the order in which they came; between uploads those of the highest priority go first, then whose turn was
 * longest ago. Nobody waits where nothing is limited.
 */
export class Bandwidth {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #rate: Rate;
  readonly #shares = new Map<string, Share>();
  readonly #waiting = new Set<Share>();
  readonly #bodies = new WeakMap<Uint8Array, Share>();
  #timer: AlarmEntry | undefined;
  #turn = 0;
  #sweepAt = SHARES_KEPT;

  /** @param limit bytes per second; null: none */
  constructor(clock: Clock, limit: number | null) {
    this.#clock = clock;
    this.#alarm = new Alarm(clock);
    this.#rate = new Rate(limit);
  }

  /** Bytes per second of the service as a whole; null: none. */
  get limit(): number | null {
    return this.#rate.limit;
  }

  /** The share of the upload, which remembers what has been sent. */
  share(uploadId: string): Share {
    const known = this.#shares.get(uploadId);
    if (known) return known;
    if (this.#shares.size >= this.#sweepAt) this.#sweep();
    const share = new Share(this);
    this.#shares.set(uploadId, share);
    return share;
  }

  /** A service may see any number of uploads. A share that is still in use goes on; only its next user begins anew. */
  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const [id, share] of this.#shares) if (share.rate.delay(now) === 0) this.#shares.delete(id);
    this.#sweepAt = Math.max(SHARES_KEPT, 2 * this.#shares.size);
  }

  /** @param limit bytes per second of the whole service; null: none */
  setLimit(limit: number | null): void {
    this.change(this.#rate, limit);
  }

  /** A body is sent again: it counts, and nobody waits for it now. */
  resent(body: Uint8Array): void {
    const share = this.#bodies.get(body);
    if (share) this.spend(share, body.length);
  }

  own(share: Share, body: Uint8Array): void {
    if (this.isLimited(share)) this.#bodies.set(body, share);
  }

  isLimited(share: Share): boolean {
    return this.#rate.isLimited || share.rate.isLimited;
  }

  change(rate: Rate, limit: number | null): void {
    rate.change(limit, this.#clock.monotonic());
    this.#serve();
  }

  spend(share: Share, bytes: number): void {
    if (!this.isLimited(share)) return;
    const now = this.#clock.monotonic();
    share.rate.spend(bytes, now);
    this.#rate.spend(bytes, now);
    if (bytes < 0) this.#serve();
  }

  delayOf(share: Share): number {
    return share.rate.delay(this.#clock.monotonic());
  }

  take(share: Share, bytes: number, signal: AbortSignal): Promise<void> | undefined {
    if (!this.isLimited(share)) return undefined;
    const now = this.#clock.monotonic();
    // Timers are late: those whose turn it is go before a newcomer.
    if (share.line.length === 0 && this.#delay(share, now) === 0 && !this.#next(now)) {
      this.#begin(share, bytes);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        share.line.splice(share.line.indexOf(waiter), 1);
        if (share.line.length === 0) this.#waiting.delete(share);
        reject(signal.reason);
        this.#serve();
      };
      const grant = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const waiter: Waiter = { bytes, grant };
      signal.addEventListener("abort", leave, { once: true });
      share.line.push(waiter);
      this.#waiting.add(share);
      this.#serve();
    });
  }

  #begin(share: Share, bytes: number): void {
    this.spend(share, bytes);
    share.turn = ++this.#turn;
  }

  #delay(share: Share, now: number): number {
    return Math.max(this.#rate.delay(now), share.rate.delay(now));
  }

  #serve(): void {
    if (this.#timer) this.#alarm.clear(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const now = this.#clock.monotonic();
    for (let share = this.#next(now); share; share = this.#next(now)) {
      const waiter = share.line.shift();
      if (share.line.length === 0) this.#waiting.delete(share);
      this.#begin(share, waiter?.bytes ?? 0);
      waiter?.grant();
    }
    let soonest = Number.POSITIVE_INFINITY;
    for (const share of this.#waiting) soonest = Math.min(soonest, this.#delay(share, now));
    // Timers count whole milliseconds.
    if (this.#waiting.size > 0) this.#timer = this.#alarm.set(Math.ceil(soonest), () => this.#serve());
  }

  /** Of those who wait and may begin. */
  #next(now: number): Share | undefined {
    let best: Share | undefined;
    for (const share of this.#waiting) {
      if (this.#delay(share, now) > 0) continue;
      if (!best || share.priority > best.priority || (share.priority === best.priority && share.turn < best.turn))
        best = share;
    }
    return best;
  }
}
