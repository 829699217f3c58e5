import type { Disk } from "./disk.ts";
import { type Follows, type Mark, readFollows, readJournal } from "./journal.ts";
import { comparePlaces, type Names, type Place } from "./names.ts";
import { contains, firstNeeded, readSnapshot, type Snapshot, type SnapshotHead } from "./snapshot.ts";
import { corrupt } from "./state-error.ts";

export interface Replayed {
  readonly snapshot: Snapshot;
  /** What the next journal goes on from. */
  readonly follows: Follows;
  /** Of the journals, as far as they count. */
  readonly bytes: number;
  readonly groups: number;
  readonly journals: number;
}

interface Link {
  readonly place: Place;
  /** Undefined for the last one. */
  readonly until: Mark | undefined;
}

/**
 * Reads the snapshot and applies the journals that go on from it. Writes nothing.
 * @param present the journals that are there
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · errors of the file system
 */
export async function replay(disk: Disk, names: Names, present: readonly Place[]): Promise<Replayed> {
  const snapshot = await readSnapshot(disk, names.state);
  const chain = await chainOf(disk, names, snapshot, present);
  let follows: Follows = { snapshot: snapshot.generation };
  let bytes = 0;
  let groups = 0;
  for (const { place, until } of chain) {
    const apply = snapshot.state.apply.bind(snapshot.state);
    const read = await readJournal(disk, names.journal(place), until, snapshot.reader, apply);
    follows = { ...place, length: read.length, crc: read.crc };
    bytes += read.length;
    groups += read.groups;
  }
  return { snapshot, follows, bytes, groups, journals: chain.length };
}

/**
 * Goes back from the newest journal to the snapshot. Journals that nobody goes on from are left out: an owner wrote them
 * that had been replaced and did not know it yet.
 */
async function chainOf(disk: Disk, names: Names, head: SnapshotHead, present: readonly Place[]): Promise<Link[]> {
  const needed = firstNeeded(head);
  const chain: Link[] = [];
  let next: Link | undefined = lastOf(present.filter((place) => !contains(head, place)));
  while (next) {
    const { place } = next;
    chain.unshift(next);
    if (needed && comparePlaces(place, needed) === 0) return chain;
    const follows: Follows = await readFollows(disk, names, place);
    if ("snapshot" in follows) {
      if (needed === undefined && follows.snapshot === head.generation) return chain;
      throw corrupt(names.state, `is not the snapshot that ${names.journal(place)} goes on from`);
    }
    const isThere = present.some((other) => comparePlaces(other, follows) === 0);
    if (!isThere || contains(head, follows) || comparePlaces(follows, place) >= 0) {
      throw corrupt(names.journal(place), `goes on from ${names.journal(follows)}, which is missing`);
    }
    next = { place: { generation: follows.generation, number: follows.number }, until: follows };
  }
  if (needed) throw corrupt(names.state, `needs ${names.journal(needed)}, which is missing`);
  return chain;
}

function lastOf(places: readonly Place[]): Link | undefined {
  const place = places.at(-1);
  return place && { place, until: undefined };
}
