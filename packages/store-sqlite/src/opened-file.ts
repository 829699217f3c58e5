import { statSync } from "node:fs";
import { StateStoreError } from "@bucketline/core";

const CHECK_EVERY_MS = 1_000;

/**
 * Notices when the database that is open no longer stands at its path: SQLite would go on writing to a file that has no
 * name any more, and what it acknowledged would be gone with the process. Asks for the file's attributes only: to open
 * and close it would drop the locks on it (sqlite.org/howtocorrupt.html, 2.2).
 */
export class OpenedFile {
  readonly #path: string;
  readonly #identity: string | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #error: StateStoreError | undefined;

  /** Make it once SQLite has written to the file: on an overlay file system the first write may change its number. */
  constructor(path: string) {
    this.#path = path;
    this.#identity = identityOf(path);
  }

  /** Asks the file system once a second at most. @throws as `check` */
  checkNowAndThen(): void {
    if (this.#error) throw this.#error;
    if (performance.now() - this.#checkedAt >= CHECK_EVERY_MS) this.check();
  }

  /** @throws StateStoreError `STATE_CORRUPT` from the first time on · errors of the file system */
  check(): void {
    if (this.#error) throw this.#error;
    const now = identityOf(this.#path);
    this.#checkedAt = performance.now();
    if (now !== undefined && now === this.#identity) return;
    this.#error = new StateStoreError(
      "STATE_CORRUPT",
      `The ledger file ${this.#path} was ${now === undefined ? "removed" : "replaced"} while it was open; stop the service, restore it.`,
    );
    throw this.#error;
  }
}

/** @returns undefined when there is no file */
function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}
