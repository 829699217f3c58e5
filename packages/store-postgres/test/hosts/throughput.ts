import { Trial } from "./trial.ts";

export interface ThroughputOptions {
  readonly files: number;
  /** What each request takes at the least, in milliseconds: with it the network, not this machine, is what limits. */
  readonly delayMs: number;
  readonly seed: number;
}

/** Files per second of the same upload with so many hosts. */
export async function measureThroughput(hosts: number, { files, delayMs, seed }: ThroughputOptions): Promise<number> {
  const trial = await Trial.open({ smallFiles: files, bigFiles: 0, bigBytes: 0, seed }, hosts);
  try {
    trial.bucket.delayMs = () => delayMs;
    await Promise.all(trial.hosts.map((host) => host.start()));
    await trial.finished();
    const stored = trial.bucket.requests
      .filter(({ operation, committed }) => operation === "PutObject" && committed)
      .map(({ startedAt }) => Date.parse(startedAt));
    return (stored.length * 1000) / (Math.max(...stored) + delayMs - Math.min(...stored));
  } finally {
    await trial.close();
  }
}
