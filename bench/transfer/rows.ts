import { BUCKETLINE } from "./clients.ts";

/** One client with one workload. */
export interface Subject {
  /** Unique in its row. */
  readonly label: string;
  readonly client: string;
  readonly files: number;
  /** Files under way at once. */
  readonly concurrency: number;
}

/** Subjects that are measured in turns. */
export interface Row {
  readonly name: string;
  readonly title: string;
  readonly bytesPerFile: number;
  readonly subjects: readonly Subject[];
  /** Until the sink answers, in milliseconds. */
  readonly delayMs: number;
  readonly secure: boolean;
  /** The folder has been sent before, and nothing has changed. */
  readonly again: boolean;
  readonly rounds: number;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;
export const SMALL_FILES = 10_000;
export const STEADY_FILES = 30_000;
const CONCURRENCY = 16;
const PEERS = ["curl", "rclone", "s3cmd", "PutObject loop", "lib-storage", "s3-sync-client", "aws-cli"];
const BASE = { delayMs: 0, secure: false, again: false, rounds: 3, bytesPerFile: 4 * KIB };

const subject = (client: string, files: number, concurrency = CONCURRENCY, label = client): Subject => ({
  ...{ label, client, files, concurrency },
});
const all = (files: number, peers: readonly string[] = PEERS) =>
  [BUCKETLINE, ...peers].map((client) => subject(client, files));
const sized = (client: string, files: number) =>
  subject(client, files, CONCURRENCY, `${client}, ${files.toLocaleString("en-US")} files`);

export const STEADY = sized(BUCKETLINE, STEADY_FILES).label;
const large = { bytesPerFile: 2_048 * MIB, subjects: all(1) };
const MEMORY_SIZES = [1_000, SMALL_FILES, STEADY_FILES] as const;

/** What `npm run bench -- NAME` measures. */
export const GROUPS: Readonly<Record<string, readonly Row[]>> = {
  small: [
    {
      ...BASE,
      name: "small",
      title: "10,000 × 4 KiB",
      subjects: [...all(SMALL_FILES), sized(BUCKETLINE, STEADY_FILES)],
    },
    {
      ...BASE,
      name: "small-20ms",
      title: "10,000 × 4 KiB, answers after 20 ms",
      delayMs: 20,
      subjects: [
        subject(BUCKETLINE, SMALL_FILES, 256, BUCKETLINE),
        subject("PutObject loop", SMALL_FILES),
        subject("rclone", SMALL_FILES, 64),
        subject("curl", SMALL_FILES, 64),
      ],
    },
  ],
  mid: [{ ...BASE, name: "mid", title: "200 × 8 MiB", bytesPerFile: 8 * MIB, subjects: all(200) }],
  large: [
    { ...BASE, ...large, name: "large-http", title: "1 × 2 GiB, http" },
    { ...BASE, ...large, name: "large-https", title: "1 × 2 GiB, https", secure: true },
  ],
  rescan: [
    {
      ...BASE,
      name: "rescan",
      title: "10,000 × 4 KiB again, unchanged",
      again: true,
      subjects: all(SMALL_FILES, ["rclone", "s3cmd", "s3-sync-client", "aws-cli"]),
    },
  ],
  memory: [
    {
      ...BASE,
      name: "memory",
      title: "memory by number of files of 4 KiB",
      rounds: 1,
      subjects: MEMORY_SIZES.flatMap((files) =>
        [BUCKETLINE, "rclone", "s3-sync-client"].map((client) => sized(client, files)),
      ),
    },
  ],
};
