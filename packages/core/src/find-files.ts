import { InputError, UploadError } from "./errors.ts";
import type { FileRecord, FileState, FinishedPart } from "./file.ts";
import { wholeNumber } from "./options.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileLedger } from "./ports/state-store.ts";

/** Which files to look for. */
export interface FindOptions {
  /** What the path contains; `A` to `Z` count as `a` to `z`. Default: any path. */
  readonly contains?: string;
  readonly states?: readonly FileState[];
  /** Only files whose path comes after this one: `next` of the call before. */
  readonly after?: string;
  /** At most so many files. Default 100. */
  readonly limit?: number;
  /** At most so many files of the ledger are looked at, whether they match or not. Default 20,000. */
  readonly examine?: number;
}

/** What a search has found in one slice of an upload's files. */
export interface FoundFiles {
  /** In path order. */
  readonly files: readonly FileRecord[];
  /** After which path to go on, also when nothing has been found so far; null when there is nothing left to look at. */
  readonly next: string | null;
}

/** A file as it stands, and what the bucket has received of it so far. */
export interface FileDetails {
  readonly file: FileRecord;
  /** Finished parts of the transfer under way, by number; none without one. */
  readonly parts: readonly FinishedPart[];
}

export interface FindContext {
  readonly state: Pick<FileLedger, "getFile" | "listFiles" | "listParts">;
  readonly clock: Pick<Clock, "sleep">;
}

/** Files that are read at once: what reads them may hold up everything else for as long. */
const SLICE = 500;
/** Lets everybody else have their turn. */
const PAUSE_MS = 1;

/** @throws UploadError `FILE_NOT_FOUND` */
export async function readFile({ state }: FindContext, uploadId: string, path: string): Promise<FileDetails> {
  const file = await state.getFile(uploadId, path);
  if (!file) {
    const message = `Upload ${uploadId} has no file ${JSON.stringify(path)}. List its files to see their paths.`;
    throw new UploadError("FILE_NOT_FOUND", message);
  }
  return { file, parts: file.transfer ? await state.listParts(uploadId, path) : [] };
}

/** Looks through an upload's files, slice by slice. @throws InputError `INVALID_OPTION` */
export async function findFiles(
  { state, clock }: FindContext,
  uploadId: string,
  { contains = "", states, after: start, limit = 100, examine = 20_000 }: FindOptions,
): Promise<FoundFiles> {
  if (typeof contains !== "string") throw new InputError("INVALID_OPTION", "Option contains must be a string.");
  const wanted = asciiLower(contains);
  let wants = wholeNumber("limit", limit, 1);
  let left = wholeNumber("examine", examine, 1);
  const files: FileRecord[] = [];
  for (let after = start; ; ) {
    const size = Math.min(SLICE, left, wanted === "" ? wants : SLICE);
    const slice = await state.listFiles(uploadId, { after, limit: size, states });
    const found = slice.filter(({ path }) => asciiLower(path).includes(wanted)).slice(0, wants);
    files.push(...found);
    wants -= found.length;
    left -= slice.length;
    const last = wants === 0 ? found.at(-1) : slice.at(-1);
    const isAtEnd = slice.length < size && last === slice.at(-1);
    if (isAtEnd || last === undefined) return { files, next: null };
    after = last.path;
    if (wants === 0 || left === 0) return { files, next: after };
    await clock.sleep(PAUSE_MS);
  }
}

/** Only these letters: the others change their length, or depend on a language. */
function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
