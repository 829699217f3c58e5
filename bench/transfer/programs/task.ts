import { readdirSync } from "node:fs";
import { join, relative } from "node:path";

/** What a program is to do: the same for all of them. */
export interface Task {
  readonly folder: string;
  readonly endpoint: string;
  readonly bucket: string;
  readonly prefix: string;
  /** Files under way at once. */
  readonly concurrency: number;
  /** Path of the ledger, for those that have one. */
  readonly ledger: string;
  /** The folder has been sent before, with this ledger. */
  readonly again: boolean;
  /** Bucketline only: `sdk` takes the plain SDK instead of the lean data path. */
  readonly dataPath?: string | undefined;
}

export const taskOf = (args: readonly string[]): Task => JSON.parse(args[2] ?? "") as Task;

/** Of every S3 client here. */
export const clientConfig = ({ endpoint }: Pick<Task, "endpoint">) => ({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "bench", secretAccessKey: "benchbench" },
});

interface SourceFile {
  readonly path: string;
  readonly key: string;
}

/** Sends every file of the folder, so many at a time. */
export async function sendAll(task: Task, send: (file: SourceFile) => Promise<unknown>): Promise<void> {
  const entries = readdirSync(task.folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  let next = 0;
  const worker = async () => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      await send({ path, key: `${task.prefix}/${relative(task.folder, path)}` });
    }
  };
  await Promise.all(Array.from({ length: task.concurrency }, worker));
}
