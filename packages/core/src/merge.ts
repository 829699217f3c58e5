import { EMPTIED, OTHER_DEVICE } from "./assess.ts";
import type { Reason } from "./errors.ts";
import type { FileRecord } from "./file.ts";
import type { KnownFiles } from "./known-files.ts";
import { comparePaths } from "./paths.ts";
import type { ScanEntry } from "./scanner.ts";

/** What was found at a path. */
export type Found = Exclude<ScanEntry, { readonly kind: "unreadable" }>;

/**
 * A path of the scan, of the ledger, or of both. `absent`: not there, and that is believed · `left`: not seen, which
 * proves nothing · `unreadable`: a folder (trailing slash) or file of which nothing could be learned.
 */
export type Meeting =
  | { readonly kind: "found"; readonly found: Found; readonly known: FileRecord | undefined }
  | { readonly kind: "absent" | "left"; readonly known: FileRecord }
  | { readonly kind: "unreadable"; readonly path: string; readonly reason: Reason };

export interface Belief {
  /** It is the device of the last scan. A folder of another device may be an empty mount point. */
  readonly sameDevice: boolean;
  /** Somebody vouches for the folder. */
  readonly trusted: boolean;
  /** Whether a file like this may have been taken away by us: then its absence says nothing. Default: none is. */
  readonly isTakenAway?: (known: FileRecord) => boolean;
}

/** Whether nothing need be said of a file that is as the ledger has it. Pure. */
export type IsUnchanged = (known: FileRecord, entry: Extract<ScanEntry, { readonly kind: "file" }>) => boolean;

/** Meetings handed on at a time. */
const BATCH = 256;

/**
 * Brings a scan and the ledger together, both in path order, with the memory of a batch and a page. Absence counts only in
 * folders that were read, and only when the scan saw anything at all: an empty folder where there were files is more
 * likely an unmounted disk than a clean-up, and so is a folder of another device that lacks files.
 */
export class Merge {
  readonly #known: KnownFiles;
  readonly #belief: Belief;
  readonly #isUnchanged: IsUnchanged;
  #unreadable: string | undefined;
  seen = 0;
  complete = true;
  doubt: Reason | null = null;

  /**
   * @param known before its first step
   * @param isUnchanged of such a file there may be no meeting. Default: of every file there is one
   */
  constructor(known: KnownFiles, belief: Belief, isUnchanged: IsUnchanged = () => false) {
    this.#known = known;
    this.#belief = belief;
    this.#isUnchanged = isUnchanged;
  }

  /** In path order, in batches. What is said of the scan as a whole stands when they are over. */
  async *meetings(batches: AsyncIterable<readonly ScanEntry[]>): AsyncGenerator<readonly Meeting[], void, void> {
    await this.#known.step();
    let meetings: Meeting[] = [];
    for await (const batch of batches) {
      for (const entry of batch) {
        if (this.#passOver(entry)) continue;
        for (let known = this.#known.current; known && comparePaths(known.path, entry.path) < 0; ) {
          meetings.push(this.#notSeen(known));
          known = await this.#step();
          if (meetings.length < BATCH) continue;
          yield meetings;
          meetings = [];
        }
        meetings.push(await this.#meet(entry));
      }
      yield meetings;
      meetings = [];
    }
    for (let known = this.#known.current; known; known = await this.#step()) {
      meetings.push(this.#notSeen(known, this.seen === 0 && !this.#belief.trusted));
      if (meetings.length < BATCH) continue;
      yield meetings;
      meetings = [];
    }
    yield meetings;
  }

  /** Nearly all files are unchanged, and a promise for each would cost more than the rest. */
  #passOver(entry: ScanEntry): boolean {
    const known = this.#known.current;
    if (entry.kind !== "file" || known?.path !== entry.path) return false;
    if (!this.#isUnchanged(known, entry) || !this.#known.tryStep()) return false;
    this.seen++;
    return true;
  }

  async #meet(entry: ScanEntry): Promise<Meeting> {
    const known = this.#known.current?.path === entry.path ? this.#known.current : undefined;
    if (known) await this.#step();
    if (entry.kind !== "unreadable") {
      this.seen++;
      return { kind: "found", found: entry, known };
    }
    this.complete = false;
    this.#unreadable = entry.path;
    return entry;
  }

  #notSeen(known: FileRecord, emptied = false): Meeting {
    const left: Meeting = { kind: "left", known };
    if (this.#belief.isTakenAway?.(known)) return left;
    if (emptied && known.state !== "REMOVED") this.doubt = EMPTIED;
    if (emptied || (this.#unreadable?.endsWith("/") && known.path.startsWith(this.#unreadable))) return left;
    if (this.#belief.sameDevice || this.#belief.trusted) return { kind: "absent", known };
    if (known.state !== "REMOVED") this.doubt ??= OTHER_DEVICE;
    return left;
  }

  async #step(): Promise<FileRecord | undefined> {
    await this.#known.step();
    return this.#known.current;
  }
}
