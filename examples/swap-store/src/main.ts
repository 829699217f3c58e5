import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BucketlineError } from "@bucketline/core";
import { startSandbox } from "@bucketline/s3-sandbox";
import { makeDemoFolder } from "./demo-folder.ts";
import { openStages } from "./stages.ts";
import { swapStores } from "./swap.ts";

const [given] = process.argv.slice(2);
const print = (line: string) => process.stdout.write(`${line}\n`);
// npm changes into the package's folder and keeps the caller's in INIT_CWD.
const caller = process.env.INIT_CWD ?? process.cwd();

const home = await mkdtemp(join(tmpdir(), "bucketline-swap-store-"));
const sandbox = await startSandbox({ buckets: ["bucket"] });
const { stages, close } = await openStages(home, print);
try {
  const folder = given === undefined ? await makeDemoFolder(home) : resolve(caller, given);
  const sentTwice = await swapStores({ folder, sandbox, stages, print });
  if (sentTwice > 0) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof BucketlineError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await close();
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
}
