import type { FileRecord } from "./file.ts";
import type { FileLedger } from "./ports/state-store.ts";
import type { Uploads } from "./uploads.ts";

const PAGE = 100;

export interface CustodyOptions {
  readonly state: FileLedger;
  readonly uploads: Uploads;
  readonly owner: string;
  /** Gives a file back to the ledger. */
  readonly release: (files: readonly FileRecord[]) => Promise<void>;
}

/**
 * Which claimed files are in our hands: queued here or in flight. A claim whose answer was lost, or a write that failed,
 * leaves files that are ours by the ledger and in nobody's hands; a living owner's files are rescued by no one else, so it
 * has to find them itself.
 */
export class Custody {
  readonly #options: CustodyOptions;
  readonly #hands = new Map<string, number>();
  #suspects = new Set<string>();

  constructor(options: CustodyOptions) {
    this.#options = options;
  }

  take(files: readonly FileRecord[]): void {
    for (const file of files) this.#hands.set(nameOf(file), file.fence);
  }

  drop(file: FileRecord): void {
    if (this.#hands.get(nameOf(file)) === file.fence) this.#hands.delete(nameOf(file));
  }

  /** Gives back what is ours in the ledger and was in nobody's hands in two looks in a row: a claim may be under way. */
  async reclaim(): Promise<void> {
    const seen = new Set<string>();
    for await (const upload of this.#options.uploads.inStates({})) {
      const { IN_PROGRESS } = await this.#options.state.counters(upload.id);
      if (IN_PROGRESS.files > 0) await this.#look(upload.id, seen);
    }
    this.#suspects = seen;
  }

  async #look(uploadId: string, seen: Set<string>): Promise<void> {
    const { state, owner, release } = this.#options;
    for (let after: string | undefined; ; ) {
      const page = await state.listFiles(uploadId, { after, limit: PAGE, states: ["IN_PROGRESS"] });
      const stray = page.filter((file) => file.owner === owner && this.#hands.get(nameOf(file)) !== file.fence);
      await release(stray.filter((file) => this.#suspects.has(`${nameOf(file)} ${file.fence}`)));
      for (const file of stray) seen.add(`${nameOf(file)} ${file.fence}`);
      after = page.at(-1)?.path;
      if (page.length < PAGE) return;
    }
  }
}

function nameOf(file: FileRecord): string {
  return `${file.uploadId}\0${file.path}`;
}
