// A service that lives on and looks again at a folder in which nothing has changed: CPU of each look, of its one pass over
// the ledger alone, and what was written.

import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { clientConfig, taskOf } from "./task.ts";

export interface RescanCost {
  readonly files: number;
  /** CPU seconds of each look, after a first one that is not counted. */
  readonly checks: readonly number[];
  readonly passes: readonly number[];
  readonly rowsWritten: number;
}

const ID = "bench";
const LOOKS = 5;
const PAGE = 1_000;

const task = taskOf(process.argv);
const state = new SqliteStateStore(task.ledger);
let rowsWritten = 0;
const commit = state.commit.bind(state);
state.commit = (changes, ...rest) => {
  rowsWritten += changes.length;
  return commit(changes, ...rest);
};

async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function pass(): Promise<number> {
  let files = 0;
  for (let after: string | undefined; ; ) {
    const page = await state.listFiles(ID, { after, limit: PAGE });
    files += page.length;
    after = page.at(-1)?.path;
    if (page.length < PAGE) return files;
  }
}

const objects = new S3ObjectStore(clientConfig(task));
const service = new UploadService({ state, objects, watcher: "none", monitorInterval: 3_600_000 });
await service.start();
await service.check(ID);
rowsWritten = 0;
const [checks, passes] = [[] as number[], [] as number[]];
let seen = 0;
for (let look = 0; look < LOOKS; look++) {
  checks.push(
    await cpuOf(async () => {
      seen = (await service.check(ID))?.seen ?? 0;
    }),
  );
  passes.push(await cpuOf(pass));
}
const files = await pass();
await service.stop();
if (seen !== files) throw new Error(`The scan saw ${seen} files, the ledger knows ${files}.`);
const cost: RescanCost = { files, checks, passes, rowsWritten };
process.stdout.write(JSON.stringify(cost));
