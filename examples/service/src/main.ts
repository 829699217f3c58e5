import { resolve } from "node:path";
import { runCommandLine } from "@bucketline/cli";
import { makeDemoFolder } from "./demo.ts";
import { environmentOf, hasOwnBucket, openSandbox } from "./sandbox.ts";

const { env } = process;
const dataFolder = resolve(env.BUCKETLINE_DATA || ".bucketline/service");
const isDemo = !env.BUCKETLINE_ROOTS;
const buckets = env.BUCKETLINE_BUCKETS?.split(",").map((name) => name.trim()) ?? ["demo"];

env.BUCKETLINE_DATA = dataFolder;
if (isDemo) env.BUCKETLINE_ROOTS = makeDemoFolder(dataFolder);
const sandbox = hasOwnBucket(env)
  ? undefined
  : await openSandbox(dataFolder, buckets, env.BUCKETLINE_SANDBOX_PORT || "0");
if (sandbox) {
  Object.assign(env, environmentOf(sandbox));
  process.stdout.write(`Objects go to a local S3 sandbox (${sandbox.endpoint})\n`);
}

// Registered before, it stays as it is.
const code =
  sandbox && isDemo
    ? await runCommandLine(["register", env.BUCKETLINE_ROOTS ?? "", `s3://${buckets[0]}/demo`, "--id", "demo"])
    : 0;
process.exitCode = code || (await runCommandLine(["serve"]));
await sandbox?.close();
process.exit();
