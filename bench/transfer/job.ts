import type { Command } from "./measure.ts";

/** One transfer, the same for every client: where from, where to, and how many at once. */
export interface Job {
  readonly folder: string;
  readonly files: number;
  readonly endpoint: string;
  readonly bucket: string;
  readonly prefix: string;
  /** Files under way at once. */
  readonly concurrency: number;
  /** File with the authority to trust; undefined: plain http. */
  readonly caFile: string | undefined;
  /** For ledgers, settings and logs of this client; empty before its first run. */
  readonly scratch: string;
  readonly again: boolean;
}

export const CREDENTIALS = { id: "bench", secret: "benchbench" } as const;

export interface Client {
  readonly name: string;
  /** Whether its bodies carry checksums or signatures of their content. */
  readonly checks: boolean;
  /** Whether it can be asked to send only what has changed. */
  readonly looksAgain: boolean;
  /** undefined: not installed */
  readonly version: () => string | undefined;
  readonly command: (job: Job) => Command;
}
