import { closeSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { RequestRecord } from "@bucketline/s3-sandbox";

const CHUNK = Buffer.alloc(1024 * 1024);
const LOOK_EVERY_MS = 2;

/** JSON lines, read as they are written. The sandbox's request log has every finished request in the order in which they finished. */
export class RequestLog<Line = RequestRecord> {
  readonly records: Line[] = [];
  readonly #file: number;
  #rest = "";
  #position = 0;

  constructor(path: string) {
    this.#file = openSync(path, "r");
  }

  /** Takes up what has been written since. */
  read(): void {
    for (;;) {
      const length = readSync(this.#file, CHUNK, 0, CHUNK.length, this.#position);
      if (length === 0) return;
      this.#position += length;
      const lines = (this.#rest + CHUNK.toString("utf8", 0, length)).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.records.push(JSON.parse(line) as Line);
    }
  }

  /** Hands over what has been read, and forgets it. */
  take(): Line[] {
    this.read();
    return this.records.splice(0);
  }

  /**
   * Follows the log until the condition holds or the process that is expected to fill it has ended.
   * @returns whether the condition holds
   */
  async until(condition: () => boolean, ended: Promise<unknown>): Promise<boolean> {
    let over = false;
    const end = ended.then(() => {
      over = true;
    });
    for (;;) {
      const last = over;
      this.read();
      if (condition()) return true;
      if (last) return false;
      await Promise.race([sleep(LOOK_EVERY_MS), end]);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
