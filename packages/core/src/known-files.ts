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
  for (let after: string | undefined; ; ) {
    const page = await state.listFiles(uploadId, { after, limit: PAGE, states });
    yield* page;
    after = page.at(-1)?.path;
    if (page.length < PAGE) return;
  }
}
