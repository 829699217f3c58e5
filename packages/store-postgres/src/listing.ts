import type { Row } from "./rows.ts";
import { isLongKey, longRange, pathKey, toBytes } from "./text.ts";

/** Rows in the order of their keys, after one key and, if given, before another. */
export type ReadRows = (after: Buffer, limit: number, before?: Buffer) => Promise<Row[]>;

/**
 * Rows in path order. That is the order of the keys, but for paths so long that their keys only begin like them: those
 * that begin alike are read together and put in order here. There is hardly ever one.
 */
export async function listInOrder(after: string | undefined, limit: number, read: ReadRows): Promise<Row[]> {
  const found: Row[] = [];
  let from = after === undefined ? Buffer.alloc(0) : pathKey(after);
  if (after !== undefined && isLongKey(from)) {
    const [, end] = longRange(from);
    const start = toBytes(after);
    found.push(...(await alike(from, read)).filter((row) => Buffer.compare(pathOf(row), start) > 0));
    from = end;
  }
  while (found.length < limit) {
    const wanted = limit - found.length;
    const rows = await read(from, wanted);
    const long = rows.findIndex((row) => isLong(row));
    found.push(...(long === -1 ? rows : rows.slice(0, long)));
    const first = rows[long];
    if (first === undefined) break;
    found.push(...(await alike(keyOf(first), read)));
    from = longRange(keyOf(first))[1];
  }
  return found.slice(0, limit);
}

async function alike(key: Buffer, read: ReadRows): Promise<Row[]> {
  const [above, below] = longRange(key);
  const rows = await read(above, Number.MAX_SAFE_INTEGER, below);
  return rows.filter((row) => isLong(row)).sort((a, b) => Buffer.compare(pathOf(a), pathOf(b)));
}

const isLong = (row: Row): boolean => (row[2] ?? null) !== null;
const keyOf = (row: Row): Buffer => Buffer.from(row[1] ?? "", "hex");
const pathOf = (row: Row): Buffer => Buffer.from(row[2] ?? row[1] ?? "", "hex");
