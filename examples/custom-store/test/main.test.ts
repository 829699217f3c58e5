import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

test("the example runs, and sends what the ledger does not have", async () => {
  const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, MAIN]);
  expect(stderr).toBe("");
  expect(stdout.split("\n")).toEqual([
    "first service : 200 files sent, 200 of 200 UPLOADED, COMPLETED",
    "second service: 0 files sent, 200 of 200 UPLOADED, COMPLETED",
    "third service : 1 files sent, 200 of 200 UPLOADED, COMPLETED",
    "in the bucket : 200 objects",
    "",
  ]);
});
