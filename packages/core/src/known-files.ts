import type { FileRecord, FileState } from "./file.ts";
import type { FileLedger } from "./ports/state-store.ts";

/** Records read at a time. */
const PAGE = 1_000;

/** What the ledger knows of an upload's files, in path order, a page at a time. */
export async function* knownFiles(
  state: FileLedger,
  uploadId: string,
  states?: readonly FileState[],
): AsyncGenerator<FileRecord, void, void> {
  for await (const page of knownPages(state, uploadId, states)) yield* page;
}

async function* knownPages(
  state: FileLedger,
  uploadId: string,
  states?: readonly FileState[],
): AsyncGenerator<readonly FileRecord[], void, void> {
  for (let after: string | undefined; ; ) {
    const page = await state.listFiles(uploadId, { after, limit: PAGE, states });
    if (page.length > 0) yield page;
    after = page.at(-1)?.path;
    if (page.length < PAGE) return;
  }
}

/** Goes through the files that the ledger knows of an upload, one by one; only the step to the next page takes a promise. */
export class KnownFiles {
  readonly #pages: AsyncIterator<readonly FileRecord[]>;
  #page: readonly FileRecord[] = [];
  #index = 0;

  constructor(state: FileLedger, uploadId: string) {
    this.#pages = knownPages(state, uploadId);
  }

  /** undefined before the first step and after the last. */
  get current(): FileRecord | undefined {
    return this.#page[this.#index];
  }

  /** Steps on within the page. @returns false, without a step, at the page's end */
  tryStep(): boolean {
    if (this.#index + 1 >= this.#page.length) return false;
    this.#index++;
    return true;
  }

  async step(): Promise<void> {
    if (this.tryStep()) return;
    const { value, done } = await this.#pages.next();
    this.#page = done ? [] : value;
    this.#index = 0;
  }
}
