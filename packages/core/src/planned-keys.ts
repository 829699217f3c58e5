import type { FileLedger } from "./ports/state-store.ts";

/**
 * Who would have which key if a plan were carried out: the ledger, with the plan's own moves on top. Holds one entry for
 * each file of the plan that gets or loses a key.
 */
export class PlannedKeys {
  readonly #state: FileLedger;
  readonly #uploadId: string;
  readonly #claimed = new Map<string, string>();
  readonly #released = new Set<string>();

  constructor(state: FileLedger, uploadId: string) {
    this.#state = state;
    this.#uploadId = uploadId;
  }

  /** Path of the file that has, or would have, the key. */
  async holder(key: string): Promise<string | undefined> {
    const claimed = this.#claimed.get(key);
    if (claimed !== undefined) return claimed;
    const stored = await this.#state.findFileByKey(this.#uploadId, key);
    return stored && !this.#released.has(stored.path) ? stored.path : undefined;
  }

  /** The file would have another key than the ledger says. Empty: none. */
  move(path: string, before: string, after: string): void {
    if (before === after) return;
    if (before !== "") this.#released.add(path);
    if (after !== "") this.#claimed.set(after, path);
  }
}
