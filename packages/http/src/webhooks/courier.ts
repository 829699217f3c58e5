import {
  BucketlineError,
  type Clock,
  type Notice,
  type NoticeOutbox,
  type Random,
  type Reason,
} from "@bucketline/core";
import type { FastifyBaseLogger } from "fastify";
import { Bell } from "./bell.ts";
import { type Message, messageOf } from "./message.ts";
import { type Outcome, post } from "./request.ts";
import { waitAfter } from "./schedule.ts";
import type { Endpoint } from "./settings.ts";

/** How a delivery ended; `retrying`: it is tried again · `dead`: it was given up. */
export interface Delivery {
  readonly webhook: string;
  readonly outcome: "delivered" | "retrying" | "dead";
  readonly seconds: number;
}

/** How deliveries by this process went. Times in milliseconds since 1970. */
export interface Latest {
  readonly deliveredAt: number | null;
  readonly failedAt: number | null;
  readonly failure: Reason | null;
}

export interface CourierOptions {
  readonly outbox: NoticeOutbox;
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: typeof fetch;
  readonly log: Pick<FastifyBaseLogger, "warn" | "error">;
  /** Called once for each that was recorded. */
  readonly onDelivery: (delivery: Delivery) => void;
}

/** Between two looks for what other hosts have recorded. */
const POLL = 15_000;
/** When something is due that nobody gave us: another host is about to deliver it, or clocks differ. */
const SHORTEST_WAIT = 100;
/** After the ledger could not be used. */
const LEDGER_PAUSE = 5_000;
/** For saying how a delivery went. */
const LEDGER_ATTEMPTS = 5;
const LEDGER_RETRY = 1_000;
/** By which a claim is longer than a delivery, so that what is recorded late, or by a slower clock, is still ours. */
const LEASE_MARGIN = 10_000;
/** So many failures in a row, and a receiver is left alone between two requests: a second, then longer and longer. */
const PATIENCE = 5;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;
/** For requests in flight when it is stopped, and again for recording that they were broken off. */
const GRACE = 2_000;

/**
 * Delivers what waits for one webhook, roughly in order, several at once: a receiver that hangs or fails delays its own
 * notices only. While deliveries do not succeed they go one at a time, and with growing pauses, so that many notices neither
 * storm a receiver that is down nor keep the ledger busy.
 */
export class Courier {
  readonly endpoint: Endpoint;
  readonly #options: CourierOptions;
  readonly #bell = new Bell();
  readonly #requests = new Set<AbortController>();
  readonly #deliveries = new Set<Promise<void>>();
  #running: Promise<void> | undefined;
  #stopping = false;
  /** In a row. */
  #failures = 0;
  /** Monotonic. */
  #heldUntil = 0;
  #latest: Latest = { deliveredAt: null, failedAt: null, failure: null };

  constructor(endpoint: Endpoint, options: CourierOptions) {
    this.endpoint = endpoint;
    this.#options = options;
  }

  get latest(): Latest {
    return this.#latest;
  }

  /** Deliveries under way. */
  get inFlight(): number {
    return this.#deliveries.size;
  }

  /** Until when the receiver is left alone, because it wants to be or fails, in milliseconds since 1970; null: it is not. */
  get heldUntil(): number | null {
    const held = this.#heldUntil - this.#options.clock.monotonic();
    return held > 0 ? this.#options.clock.now() + held : null;
  }

  /** Delivers until it is stopped, or the service is. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Begins nothing more, gives requests in flight a moment to be answered, and hands the others back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#bell.ring();
    await this.#idleWithin(GRACE);
    for (const request of this.#requests) request.abort();
    await this.#idleWithin(GRACE);
  }

  /** Sends a message beside the deliveries. When it arrives, they go on at once and at full speed. */
  async test(message: Message): Promise<Outcome> {
    const outcome = await this.#send(message);
    if (outcome.result === "delivered") {
      this.#failures = 0;
      this.#heldUntil = 0;
      this.#bell.ring();
    }
    return outcome;
  }

  async #send(message: Message): Promise<Outcome> {
    const controller = new AbortController();
    this.#requests.add(controller);
    if (this.#stopping) controller.abort();
    try {
      return await post(this.endpoint, message, { ...this.#options, controller });
    } finally {
      this.#requests.delete(controller);
    }
  }

  async #run(): Promise<void> {
    const { outbox } = this.#options;
    let stopHearing: (() => void) | undefined;
    while (!this.#stopping) {
      try {
        stopHearing ??= outbox.onNotice((subscriber) => {
          if (subscriber === this.endpoint.name) this.#bell.ring();
        });
        await this.#bell.wait(this.#options.clock, await this.#round());
      } catch (error) {
        if (isStopped(error)) break;
        this.#options.log.warn({ err: error, webhook: this.endpoint.name }, "the ledger gives out no notices");
        await this.#bell.wait(this.#options.clock, LEDGER_PAUSE);
      }
    }
    stopHearing?.();
  }

  /** Takes on as much as there is room for. @returns how long there is nothing to do, in milliseconds */
  async #round(): Promise<number> {
    const { clock, outbox } = this.#options;
    const { name: subscriber, concurrency, timeout } = this.endpoint;
    const held = this.#heldUntil - clock.monotonic();
    if (held > 0) return Math.min(held, POLL);
    const limit = (this.#failures > 0 ? 1 : concurrency) - this.#deliveries.size;
    if (limit <= 0) return POLL;
    const notices = await outbox.take({ subscriber, limit, leaseMs: timeout + LEASE_MARGIN });
    for (const notice of notices) this.#begin(notice);
    if (notices.length === limit) return POLL;
    const next = (await outbox.nextDue(subscriber)) ?? Number.POSITIVE_INFINITY;
    return Math.min(Math.max(next - clock.now(), SHORTEST_WAIT), POLL);
  }

  #begin(notice: Notice): void {
    const delivery = this.#deliver(notice).finally(() => {
      this.#deliveries.delete(delivery);
      this.#bell.ring();
    });
    this.#deliveries.add(delivery);
  }

  async #deliver(notice: Notice): Promise<void> {
    const outcome = await this.#send(messageOf(notice));
    await this.#record(notice, outcome);
  }

  /** What cannot be recorded is delivered again, once the claim is over. */
  async #record(notice: Notice, outcome: Outcome): Promise<void> {
    const { clock, log } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#settle(notice, outcome);
      } catch (error) {
        if (attempt === LEDGER_ATTEMPTS || this.#stopping || isStopped(error)) {
          log.warn({ err: error, ...this.#facts(notice) }, "how a delivery went was not recorded: it comes again");
          return;
        }
        await clock.sleep(LEDGER_RETRY);
      }
    }
  }

  async #settle(notice: Notice, { result, message, askedFor, ms }: Outcome): Promise<void> {
    const { clock, outbox } = this.#options;
    if (result === "delivered") {
      await outbox.delivered(notice);
      this.#failures = 0;
      this.#latest = { ...this.#latest, deliveredAt: clock.now() };
      return this.#tell("delivered", ms);
    }
    const reason: Reason = { code: "NOTICE_UNDELIVERED", message };
    if (result === "interrupted") return void (await outbox.postpone(notice, reason, clock.now()));
    if (result === "failed") this.#hold(askedFor);
    const isDead = await this.#putOff(notice, reason, result === "gone" ? null : askedFor);
    this.#latest = { ...this.#latest, failedAt: clock.now(), failure: reason };
    this.#tell(isDead ? "dead" : "retrying", ms);
  }

  #hold(askedFor: number): void {
    const late = ++this.#failures - PATIENCE;
    const pause = late < 0 ? 0 : Math.min(FIRST_PAUSE * 2 ** late, LONGEST_PAUSE);
    this.#heldUntil = Math.max(this.#heldUntil, this.#options.clock.monotonic() + Math.max(askedFor, pause));
  }

  /** @param askedFor null: it is not tried again. @returns whether it was given up */
  async #putOff(notice: Notice, reason: Reason, askedFor: number | null): Promise<boolean> {
    const { clock, outbox, random, log } = this.#options;
    const wait = askedFor === null ? null : waitAfter(notice.attempts, askedFor, random);
    if (wait === null) {
      await outbox.giveUp(notice, reason);
      log.error({ reason: reason.message, ...this.#facts(notice) }, "a notice was given up");
      return true;
    }
    await outbox.postpone(notice, reason, clock.now() + wait);
    log.warn({ reason: reason.message, wait, ...this.#facts(notice) }, "a notice was not delivered; it is tried again");
    return false;
  }

  #tell(outcome: Delivery["outcome"], ms: number): void {
    this.#options.onDelivery({ webhook: this.endpoint.name, outcome, seconds: ms / 1000 });
  }

  #facts({ id, event, attempts }: Notice) {
    return { webhook: this.endpoint.name, notice: id, event, attempts };
  }

  async #idleWithin(ms: number): Promise<void> {
    const idle = new AbortController();
    const late = this.#options.clock.sleep(ms, idle.signal).catch(() => {});
    await Promise.race([this.#idle(), late]);
    idle.abort();
  }

  async #idle(): Promise<void> {
    await this.#running;
    await Promise.all(this.#deliveries);
  }
}

function isStopped(error: unknown): boolean {
  return error instanceof BucketlineError && error.code === "SERVICE_STOPPED";
}
