import type { FileRecord, FinishedPart } from "@bucketline/core";
import type { Connection } from "./connection.ts";
import type { CounterDeltas } from "./counters.ts";
import { arraysOf, encodeFile, encodeLongPath, encodePart, FILE_ID, type Value } from "./rows.ts";
import { CHANGED_FILE, NEW_FILE, NEW_PART, type Statements } from "./statements.ts";
import { FILE_CODE } from "./states.ts";
import { pathKey } from "./text.ts";

export interface Change {
  /** The upload's number. */
  readonly seq: number;
  readonly before: FileRecord | null;
  readonly after: FileRecord;
  readonly parts?: readonly FinishedPart[] | undefined;
}

interface Numbered extends Change {
  /** Among all changes of the call. */
  readonly index: number;
  readonly key: Buffer;
}

/**
 * Writes what has not been overtaken, with a few statements however many changes there are. Several changes of one file
 * go one after another, in rounds.
 * @returns whether each was applied
 */
export async function applyChanges(
  connection: Connection,
  sql: Statements["writes"],
  changes: readonly Change[],
  deltas: CounterDeltas,
): Promise<boolean[]> {
  const applied = changes.map(() => false);
  for (const round of roundsOf(changes)) {
    const done = [
      ...(await insert(
        connection,
        sql,
        round.filter(({ before }) => before === null),
      )),
      ...(await update(
        connection,
        sql,
        round.filter(({ before }) => before !== null),
      )),
    ];
    await writeParts(connection, sql, done);
    for (const { index, seq, before, after } of done) {
      applied[index] = true;
      if (before) deltas.add(seq, before, -1);
      deltas.add(seq, after, 1);
    }
  }
  return applied;
}

function roundsOf(changes: readonly Change[]): Numbered[][] {
  const rounds: Numbered[][] = [];
  const turns = new Map<string, number>();
  for (const [index, change] of changes.entries()) {
    const file = `${change.seq}/${change.after.path}`;
    const turn = turns.get(file) ?? 0;
    turns.set(file, turn + 1);
    rounds[turn] ??= [];
    rounds[turn].push({ ...change, index, key: pathKey(change.after.path) });
  }
  // Rows are locked in one order by everybody, so that transactions wait for one another but hardly ever in a ring.
  for (const round of rounds) round.sort((a, b) => a.seq - b.seq || Buffer.compare(a.key, b.key));
  return rounds;
}

async function insert(connection: Connection, sql: Statements["writes"], round: Numbered[]): Promise<Numbered[]> {
  if (round.length === 0) return [];
  const rows = round.map(({ seq, key, after }) => [seq, key, encodeLongPath(after.path, key), ...encodeFile(after)]);
  const inserted = await connection.query(sql.insert, arraysOf(NEW_FILE, rows));
  if (inserted.length === round.length) return round;
  const ids = new Set(inserted.map(([seq, key]) => `${seq}/${key}`));
  return round.filter(({ seq, key }) => ids.has(`${seq}/${key.toString("hex")}`));
}

async function update(connection: Connection, sql: Statements["writes"], round: Numbered[]): Promise<Numbered[]> {
  if (round.length === 0) return [];
  const rows = round.map(({ seq, key, before, after }, n) => [n, seq, key, ...compared(before), ...encodeFile(after)]);
  const updated = await connection.query(sql.update, arraysOf(CHANGED_FILE, rows));
  const numbers = new Set(updated.map(([n]) => Number(n)));
  return round.filter((_, n) => numbers.has(n));
}

function compared(before: FileRecord | null): Value[] {
  if (before === null) return [null, null, null, null];
  return [before.revision, FILE_CODE[before.state], before.size, before.fence];
}

async function writeParts(connection: Connection, sql: Statements["writes"], done: readonly Numbered[]): Promise<void> {
  const over = done.filter(({ before, after }) => before?.transfer && before.transfer.token !== after.transfer?.token);
  if (over.length > 0) {
    const rows = over.map(({ seq, key }) => [seq, key]);
    await connection.query(sql.dropParts, arraysOf(FILE_ID, rows));
  }
  const parts = done.flatMap(({ seq, key, after, parts = [] }) => {
    if (after.transfer === null) return [];
    // One statement cannot write one row twice: of equal numbers the last one stays.
    const byNumber = new Map(parts.map((part) => [part.partNumber, part]));
    return Array.from(byNumber.values(), (part) => [seq, key, ...encodePart(part)]);
  });
  if (parts.length > 0) await connection.query(sql.putParts, arraysOf(NEW_PART, parts));
}
