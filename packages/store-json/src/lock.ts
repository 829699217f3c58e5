import { randomBytes } from "node:crypto";
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StateStoreError } from "@bucketline/core";
import { identityOf } from "./disk.ts";
import { describe, type Holder, parseHolder, thisObserver, thisProcess, verdictOn } from "./holder.ts";
import type { Names } from "./names.ts";
import type { Fence } from "./saved-state.ts";

export interface LockOptions {
  /** Generations up to this have been used. */
  readonly atLeast: number;
  /** How long a holder that cannot be seen from here must give no sign of life before its lock is taken over. Milliseconds. */
  readonly takeoverMs: number;
}

const BEAT_MS = 1_000;
const LOOKS_PER_TAKEOVER = 20;

/** A lock file as it was found. */
interface Found {
  readonly generation: number;
  readonly identity: string;
  /** Time of the last beat. Nanoseconds since 1970. */
  readonly beat: bigint;
  readonly isReleased: boolean;
  readonly holder: Holder | undefined;
}

/**
 * The right to write, for one process at a time. Why it cannot admit two:
 *
 * Lock files are numbered; the highest number is the lock, and its content says who holds it. To take over the lock n
 * of a holder that has ended or released it, a process writes its own facts to a draft and links it to n + 1. A link
 * fails when the name is taken, so of several takers one succeeds.
 *
 * Names of lower locks become free again, because owners remove them; the highest one is never removed. A taker that was
 * slow may therefore link a number that was taken, given up and removed meanwhile. But a number that was removed once
 * has a higher one above it for ever: so after linking it lists the folder again, and if its own number is not the
 * highest, it removes it and starts over. No process counts a lower lock as one.
 *
 * A holder that was taken for dead may still live, stopped or cut off. It looks after each sync, before it acknowledges:
 * first that the lock n + 1 is not there, then that its own still is. Lower locks are removed in ascending order, so
 * that n is gone whenever n + 1 is gone: both together say that nobody has succeeded it so far. What it has synced by
 * then the next owner will read, because owners lock first and read afterwards.
 *
 * To release the lock the holder makes the file empty, through its own descriptor: that needs no space, and cannot hit
 * another's file. An empty one is also what a power cut may leave, and the holder has not survived that either.
 */
export class OwnerLock implements Fence {
  readonly generation: number;
  readonly #folder: string;
  readonly #names: Names;
  readonly #descriptor: number;
  readonly #identity: string;
  readonly #beats: NodeJS.Timeout;
  #isOpen = true;

  private constructor(folder: string, names: Names, generation: number) {
    this.#folder = folder;
    this.#names = names;
    this.generation = generation;
    this.#descriptor = openSync(join(folder, names.lock(generation)), "r+");
    const { dev, ino } = fstatSync(this.#descriptor, { bigint: true });
    this.#identity = `${dev}:${ino}`;
    this.#beats = setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  /** @throws StateStoreError `STATE_BUSY`, naming the holder · errors of the file system */
  static async acquire(folder: string, names: Names, { atLeast, takeoverMs }: LockOptions): Promise<OwnerLock> {
    for (;;) {
      const present = readdirSync(folder);
      const highest = names.locks(present).at(-1) ?? 0;
      if (highest > 0 && !(await isFree(folder, names, highest, takeoverMs))) continue;
      const last = Math.max(atLeast, highest, ...names.journals(present).map((journal) => journal.generation));
      if (!take(folder, names, last + 1)) continue;
      const locks = names.locks(readdirSync(folder));
      if (locks.at(-1) !== last + 1) {
        rmSync(join(folder, names.lock(last + 1)), { force: true });
        continue;
      }
      for (const lower of locks.slice(0, -1)) rmSync(join(folder, names.lock(lower)), { force: true });
      return new OwnerLock(folder, names, last + 1);
    }
  }

  check(): void {
    const next = join(this.#folder, this.#names.lock(this.generation + 1));
    const successor = identityOf(next);
    const own = identityOf(join(this.#folder, this.#names.lock(this.generation)));
    if (successor === undefined && own === this.#identity) return;
    const by = describe(find(this.#folder, this.#names, this.generation + 1)?.holder);
    throw new StateStoreError(
      "STATE_BUSY",
      `The state store ${join(this.#folder, this.#names.state)} was taken over by ${by}, while this process gave no sign of life. Stop one of them.`,
    );
  }

  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearInterval(this.#beats);
    try {
      ftruncateSync(this.#descriptor);
    } finally {
      closeSync(this.#descriptor);
    }
  }

  #beat(): void {
    try {
      const now = new Date();
      futimesSync(this.#descriptor, now, now);
    } catch {
      // Whoever takes the lock over for want of beats is found by the next check.
    }
  }
}

/** @returns whether this process has made the lock file */
function take(folder: string, names: Names, generation: number): boolean {
  const draft = join(folder, names.draft(0, randomBytes(8).toString("hex")));
  try {
    writeFileSync(draft, `${JSON.stringify(thisProcess())}\n`, { flag: "wx", mode: 0o600 });
    linkSync(draft, join(folder, names.lock(generation)));
    return true;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    // Another taker was faster; or it owns the state by now, and has removed all drafts.
    if (syscall === "link" && (code === "EEXIST" || code === "ENOENT")) return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** @returns false when the lock has changed, so that it has to be looked at anew. @throws StateStoreError `STATE_BUSY` */
async function isFree(folder: string, names: Names, generation: number, takeoverMs: number): Promise<boolean> {
  const first = find(folder, names, generation);
  if (first === undefined) return false;
  if (first.isReleased) return true;
  const verdict = first.holder ? verdictOn(first.holder, Number(first.beat / 1_000_000n), thisObserver()) : "unseen";
  if (verdict === "ended") return true;
  const busy = () => {
    const path = join(folder, names.state);
    const advice = "It is for one process at a time: stop the other one, or use a store that several may share.";
    return new StateStoreError("STATE_BUSY", `The state store ${path} is held by ${describe(first.holder)}. ${advice}`);
  };
  if (verdict === "runs") throw busy();
  const pause = takeoverMs / LOOKS_PER_TAKEOVER;
  // Looks are counted, not time: while this process or the whole machine was stopped, no beat could come.
  for (let looks = 0; looks < LOOKS_PER_TAKEOVER; looks++) {
    await sleep(pause);
    const now = find(folder, names, generation);
    if (now === undefined || now.identity !== first.identity || now.isReleased) return false;
    if (now.beat !== first.beat) throw busy();
  }
  return true;
}

/** @returns undefined when it is not there */
function find(folder: string, names: Names, generation: number): Found | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(join(folder, names.lock(generation)), "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { dev, ino, mtimeNs } = fstatSync(descriptor, { bigint: true });
    const text = readFileSync(descriptor, "utf8");
    const holder = parseHolder(text);
    return { generation, identity: `${dev}:${ino}`, beat: mtimeNs, isReleased: text === "", holder };
  } finally {
    closeSync(descriptor);
  }
}
