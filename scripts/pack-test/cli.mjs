// Runs the command as `npx` finds it. Argument: the version that it should say.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { startSandbox } from "@bucketline/s3-sandbox";
import { assertStored, writeFiles } from "./upload.mjs";

const sandbox = await startSandbox({ buckets: ["my-bucket"] });
const scratch = mkdtempSync(join(process.cwd(), "cli-"));
const folder = join(scratch, "photos");
writeFiles(folder);

const env = {
  ...process.env,
  AWS_ENDPOINT_URL: sandbox.endpoint,
  AWS_REGION: sandbox.region,
  AWS_ACCESS_KEY_ID: sandbox.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: sandbox.credentials.secretAccessKey,
  XDG_STATE_HOME: join(scratch, "state"),
  XDG_CONFIG_HOME: join(scratch, "config"),
  NO_COLOR: "1",
};

async function bucketline(...args) {
  const { stdout } = await promisify(execFile)("npx", ["--no", "--", "bucketline", ...args], { env });
  return stdout;
}

try {
  assert.equal((await bucketline("--version")).trim(), process.argv[2]);
  assert.match(await bucketline("--help"), /^Usage: bucketline .*\n[\s\S]*\bsync\b/);
  assert.match(await bucketline("sync", folder, "s3://my-bucket/2026"), /Done\. 4 files uploaded/);
  await assertStored(sandbox, "my-bucket", "2026/");
} finally {
  await sandbox.close();
  rmSync(scratch, { recursive: true, force: true });
}
