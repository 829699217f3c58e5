import { basename, dirname, resolve } from "node:path";
import type { UploadRecord } from "@bucketline/core";
import { NodeDisk } from "./disk.ts";
import { Names } from "./names.ts";
import { replay } from "./replay.ts";
import { stateError } from "./state-error.ts";

/** What a ledger holds, read without opening it as a store. */
export interface LedgerInspection {
  /** In order of registration. */
  readonly uploads: readonly UploadRecord[];
  /** Of the snapshot and its journals together. */
  readonly bytes: number;
}

/**
 * Reads a ledger that is there, as a whole, and takes no lock. While another process writes it may be caught between two
 * files, and then counts as damaged: ask again.
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · `STATE_NOT_WRITABLE`
 */
export async function inspectLedger(path: string): Promise<LedgerInspection> {
  const file = resolve(path);
  const disk = new NodeDisk(dirname(file));
  const names = new Names(basename(file));
  try {
    const { snapshot, bytes } = await replay(disk, names, names.journals(await disk.names()));
    return { uploads: [...snapshot.state.uploads.values()], bytes: snapshot.bytes + bytes };
  } catch (error) {
    throw stateError(error, path);
  }
}
