import type { Clock } from "./ports/clock.ts";
import { nextScanAt } from "./schedule.ts";
import type { UploadRecord } from "./upload.ts";

/** How far ahead a wall-clock time is trusted: the clock may be set meanwhile. Milliseconds. */
const FARTHEST_MS = 600_000;
/** A watched folder that anybody has scanned within this share of its interval is not due. */
const FRESH_SHARE = 0.9;

interface Due {
  schedule: number | string | null;
  /** Monotonic. */
  at: number;
  /** Something has hastened it: it does not matter who has scanned the folder lately. */
  isHinted: boolean;
  /** Of a cron expression: the occurrence, in milliseconds since 1970. */
  occurrence: number | undefined;
  /** The one for which it was last taken. */
  taken: number | undefined;
}

export interface Taken {
  readonly uploadId: string;
  /** It is new here, somebody has hastened it, or its schedule says so. */
  readonly why: "new" | "hint" | "schedule";
}

/** Which watched uploads are to be scanned when. Intervals run on the monotonic clock, cron expressions by local time. */
export class DueList {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #dues = new Map<string, Due>();

  /** @param interval for uploads without a schedule of their own, in milliseconds */
  constructor(clock: Clock, interval: number) {
    this.#clock = clock;
    this.#interval = interval;
  }

  get size(): number {
    return this.#dues.size;
  }

  has(uploadId: string): boolean {
    return this.#dues.has(uploadId);
  }

  /** At once, unless a schedule of its own says later and it has been scanned before. */
  add({ id, spec, lastScan }: UploadRecord): void {
    const due: Due = { schedule: spec.schedule, at: 0, isHinted: false, occurrence: undefined, taken: undefined };
    this.#dues.set(id, due);
    if (lastScan !== null && typeof spec.schedule === "string") this.#arm(due, lastScan.startedAt);
  }

  remove(uploadId: string): void {
    this.#dues.delete(uploadId);
  }

  /** Follows a changed schedule. */
  adjust({ id, spec }: UploadRecord): void {
    const due = this.#dues.get(id);
    if (!due || due.schedule === spec.schedule) return;
    due.schedule = spec.schedule;
    // The first scan comes whatever the schedule.
    if (due.at > 0) this.#arm(due, this.#clock.now());
  }

  /** Not later than in `delay` milliseconds. */
  hasten(uploadId: string, delay: number): void {
    const due = this.#dues.get(uploadId);
    if (!due) return;
    due.at = Math.min(due.at, this.#clock.monotonic() + delay);
    due.isHinted = true;
  }

  /** Uploads whose time has come, each with its next time set. */
  take(): Taken[] {
    const now = this.#clock.monotonic();
    const taken: Taken[] = [];
    for (const [uploadId, due] of this.#dues) {
      if (due.at > now) continue;
      const why = due.at === 0 ? "new" : due.isHinted ? "hint" : "schedule";
      const early = due.occurrence !== undefined && this.#clock.now() < due.occurrence;
      if (!early) due.taken = due.occurrence;
      this.#arm(due, this.#clock.now());
      if (why !== "schedule" || !early) taken.push({ uploadId, why });
    }
    return taken;
  }

  /** Milliseconds until the next one is due. */
  wait(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#dues.values()) next = Math.min(next, at);
    return Math.max(0, next - this.#clock.monotonic());
  }

  /**
   * Whether somebody has scanned the folder so lately that it is not due yet, and then it is due later; by a cron
   * expression, whether somebody has scanned it since the time for which it was taken.
   */
  isFresh({ id, spec, lastScan }: UploadRecord): boolean {
    const due = this.#dues.get(id);
    if (!due || !lastScan) return false;
    const age = this.#clock.now() - lastScan.startedAt;
    // A negative age says that the clock was set back.
    if (age < 0) return false;
    if (typeof spec.schedule === "string") return due.taken !== undefined && lastScan.startedAt >= due.taken;
    const interval = spec.schedule ?? this.#interval;
    if (age >= interval * FRESH_SHARE) return false;
    due.at = this.#clock.monotonic() + interval - age;
    return true;
  }

  #arm(due: Due, from: number): void {
    due.isHinted = false;
    const now = this.#clock.now();
    if (typeof due.schedule !== "string") {
      due.occurrence = undefined;
      due.at = this.#clock.monotonic() + (due.schedule ?? this.#interval);
      return;
    }
    due.occurrence = nextScanAt(due.schedule, this.#interval, from);
    const delay = due.occurrence === undefined ? Number.POSITIVE_INFINITY : Math.max(0, due.occurrence - now);
    due.at = this.#clock.monotonic() + (due.occurrence === undefined ? delay : Math.min(delay, FARTHEST_MS));
  }
}
