import { StateStoreError } from "@bucketline/core";
import { MemoryState, type RecordWrite } from "@bucketline/core/memory";
import type { Disk, DiskFile } from "./disk.ts";
import { type Follows, headLine, type Mark, writesLine } from "./journal.ts";
import type { Names, Place } from "./names.ts";
import { type Replayed, replay } from "./replay.ts";
import { contains, type SnapshotHead, writeSnapshot } from "./snapshot.ts";
import { corrupt } from "./state-error.ts";

/** What the lock tells: who writes now, and whether that is still so. */
export interface Fence {
  /** Every owner has a higher one than those before it. */
  readonly generation: number;
  /** @throws StateStoreError `STATE_BUSY` once another owner has taken over */
  check(): void;
}

interface OpenJournal extends Place {
  readonly file: DiskFile;
  readonly follows: Follows;
  /** How far it is acknowledged. */
  readonly mark: Mark;
  readonly groups: number;
}

/** Of journals, in bytes and in number. */
interface Amount {
  readonly bytes: number;
  readonly groups: number;
  readonly journals: number;
}

/** Journals may grow to this before they are folded into the snapshot, and to the size of the snapshot. Bytes. */
const SMALLEST_FOLD = 1024 * 1024;
/** Owners that write little leave one journal each. */
const MOST_JOURNALS = 8;

/**
 * The files of a state: a snapshot, and the journals that go on from it.
 *
 * Nothing is ever changed in place. A journal grows at its end; everything else is written as a draft, synced and put
 * in place by a rename, before which the fence is checked. A new owner creates its lock first, then removes the drafts of
 * the owners before it, and only then reads. So a rename of an owner that has been replaced without knowing it either
 * happened before the new one began to read, or fails for want of its draft. And what it appends later stands behind the
 * mark up to which the new owner's first journal says that it counts.
 */
export class SavedState {
  readonly #disk: Disk;
  readonly #names: Names;
  readonly #fence: Fence;
  #head: SnapshotHead;
  #snapshotBytes: number;
  /** Of the files that may stand at the snapshot's name: more than one while one is being replaced. */
  #identities: readonly (string | undefined)[];
  /** The journals before the current one. */
  #older: Amount;
  #journal: OpenJournal;
  /** After a failed write nothing is appended to that journal any more: what stands at its end is not known. */
  #isJournalSound = true;
  #drafts = 1;
  /** Bytes of journals below which nothing is folded: so that after a failed attempt the next one is not made at once. */
  #foldAt = 0;

  private constructor(disk: Disk, names: Names, fence: Fence, replayed: Replayed, journal: OpenJournal) {
    this.#disk = disk;
    this.#names = names;
    this.#fence = fence;
    this.#head = replayed.snapshot;
    this.#snapshotBytes = replayed.snapshot.bytes;
    this.#identities = [disk.identity(names.state)];
    this.#older = replayed;
    this.#journal = journal;
  }

  /**
   * Reads the state, or begins one when there is nothing of it.
   * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · `STATE_BUSY` · errors of the file system
   */
  static async open(disk: Disk, names: Names, fence: Fence): Promise<{ saved: SavedState; state: MemoryState }> {
    const { generation } = fence;
    for (const draft of names.staleDrafts(await disk.names(), generation)) await disk.remove(draft);
    const present = names.journals(await disk.names());
    if (disk.identity(names.state) === undefined) {
      const [journal] = present;
      if (journal)
        throw corrupt(names.state, `is missing, but ${names.journal(journal)}, which goes on from it, is not`);
      const head = { generation: generation - 1, continuesIn: null };
      const write = (file: DiskFile) => writeSnapshot(file, new MemoryState(), head, () => {});
      const { file } = await put(disk, names, fence, 0, names.state, write);
      await file.close();
    }
    const replayed = await replay(disk, names, present);
    const journal = await beginJournal(disk, names, fence, 0, { generation, number: 1 }, replayed.follows);
    return { saved: new SavedState(disk, names, fence, replayed, journal), state: replayed.snapshot.state };
  }

  /** Whether the snapshot is the whole state, but for the journal of this owner, which has written nothing. */
  get isFolded(): boolean {
    return this.#amount.groups === 0 && this.#amount.journals === 1 && this.#head.continuesIn === null;
  }

  get isFoldDue(): boolean {
    const { bytes, journals } = this.#amount;
    return bytes > this.#foldAt && (bytes > Math.max(SMALLEST_FOLD, this.#snapshotBytes) || journals > MOST_JOURNALS);
  }

  /** Bytes, of the snapshot and the journals. */
  get size(): number {
    return this.#snapshotBytes + this.#amount.bytes;
  }

  get #amount(): Amount {
    const { mark, groups } = this.#journal;
    return plus(this.#older, { bytes: mark.length, groups, journals: 1 }, 1);
  }

  /**
   * When it resolves, the writes survive a power cut, and the next owner will see them. Never called twice at once.
   * @throws StateStoreError `STATE_BUSY` · `STATE_CORRUPT` when the files were removed · errors of the file system
   */
  async append(writes: readonly RecordWrite[]): Promise<void> {
    if (!this.#isJournalSound) await this.#nextJournal();
    const journal = this.#journal;
    const { bytes, mark } = writesLine(writes, journal.mark);
    this.#isJournalSound = false;
    await journal.file.append(bytes);
    await journal.file.sync();
    this.#check();
    this.#journal = { ...journal, mark, groups: journal.groups + 1 };
    this.#isJournalSound = true;
  }

  /**
   * Begins to fold: what is appended from now on goes to a new journal. Not while an append runs.
   * @returns what writes the new snapshot, while appends go on, and then drops the journals that stand in it
   */
  async beginFold(state: MemoryState): Promise<(keepGoing: () => void) => Promise<void>> {
    this.#foldAt = this.#amount.bytes * 1.5;
    await this.#nextJournal();
    const { number } = this.#journal;
    const folded = this.#older;
    return async (keepGoing) => {
      await this.#replaceSnapshot(state, { generation: this.#fence.generation, continuesIn: number }, keepGoing);
      this.#older = plus(this.#older, folded, -1);
      this.#foldAt = 0;
    };
  }

  /** Writes a snapshot that needs no journal: the last thing to be done. */
  async foldWhole(state: MemoryState): Promise<void> {
    await this.#replaceSnapshot(state, { generation: this.#fence.generation, continuesIn: null }, () => {});
  }

  async close(): Promise<void> {
    await this.#journal.file.close();
  }

  #check(): void {
    this.#fence.check();
    const journal = this.#names.journal(this.#journal);
    const isJournalThere = this.#disk.identity(journal) === this.#journal.file.identity;
    if (isJournalThere && this.#identities.includes(this.#disk.identity(this.#names.state))) return;
    throw new StateStoreError(
      "STATE_CORRUPT",
      `${isJournalThere ? this.#names.state : journal} was removed or replaced while the state store was open; stop the service, restore it.`,
    );
  }

  async #nextJournal(): Promise<void> {
    const { generation, number, mark, groups, follows, file } = this.#journal;
    this.#isJournalSound = false;
    const place = { generation, number: number + 1 };
    // One without acknowledged writes is replaced, so that attempts on a full disk do not pile up.
    this.#journal =
      groups === 0
        ? await this.#begin({ generation, number }, follows)
        : await this.#begin(place, { generation, number, ...mark });
    if (groups > 0) this.#older = plus(this.#older, { bytes: mark.length, groups, journals: 1 }, 1);
    this.#isJournalSound = true;
    await file.close().catch(() => {});
  }

  #begin(place: Place, follows: Follows): Promise<OpenJournal> {
    return beginJournal(this.#disk, this.#names, this.#fence, this.#drafts++, place, follows);
  }

  async #replaceSnapshot(state: MemoryState, head: SnapshotHead, keepGoing: () => void): Promise<void> {
    const write = async (file: DiskFile) => {
      const bytes = await writeSnapshot(file, state, head, keepGoing);
      this.#identities = [...this.#identities, file.identity];
      return bytes;
    };
    const to = this.#names.state;
    const { file, result } = await put(this.#disk, this.#names, this.#fence, this.#drafts++, to, write);
    await file.close();
    this.#identities = [file.identity];
    this.#head = head;
    this.#snapshotBytes = result;
    const present = this.#names.journals(await this.#disk.names());
    for (const place of present) if (contains(head, place)) await this.#disk.remove(this.#names.journal(place));
  }
}

async function beginJournal(
  disk: Disk,
  names: Names,
  fence: Fence,
  draft: number,
  place: Place,
  follows: Follows,
): Promise<OpenJournal> {
  const { bytes, mark } = headLine(place, follows);
  const { file } = await put(disk, names, fence, draft, names.journal(place), (file) => file.append(bytes));
  return { generation: place.generation, number: place.number, file, follows, mark, groups: 0 };
}

/** Writes a new file and puts it in place, whole and synced. @returns it, open, and what `write` returned */
async function put<T>(
  disk: Disk,
  names: Names,
  fence: Fence,
  draft: number,
  to: string,
  write: (file: DiskFile) => Promise<T>,
): Promise<{ readonly file: DiskFile; readonly result: T }> {
  const from = names.draft(fence.generation, String(draft));
  const file = await disk.create(from);
  try {
    const result = await write(file);
    await file.sync();
    fence.check();
    await disk.rename(from, to);
    await disk.sync();
    return { file, result };
  } catch (error) {
    await file.close();
    await disk.remove(from).catch(() => {});
    throw error;
  }
}

function plus(amount: Amount, other: Amount, sign: 1 | -1): Amount {
  return {
    bytes: amount.bytes + sign * other.bytes,
    groups: amount.groups + sign * other.groups,
    journals: amount.journals + sign * other.journals,
  };
}
