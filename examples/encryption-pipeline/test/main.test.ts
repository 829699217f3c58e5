import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

test("files are sealed, come back, are refused when they should be, and outlive a change of keys", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...FROM_SOURCES, MAIN]);
  expect(stderr).toBe("");
  const sealed =
    "sizeLimit passed, fileType passed, redactAddresses transformed, gzip transformed, encrypt transformed";
  const both = (what: string, code: string) =>
    ["restoreByFile  ", "restoreByStream"].map((how) => `  ${what.padEnd(24)}  ${how}  ${code}, 0 files left behind`);
  expect(stdout.trimEnd().split("\n")).toEqual([
    "On the way up",
    `  accounts.csv         UPLOADED  ${sealed}`,
    `  letters/welcome.txt  UPLOADED  ${sealed}`,
    `  logo.png             UPLOADED  ${sealed}`,
    "  notes.txt            FAILED    fileType: The content is application/x-msdownload; the name says .txt.",
    "",
    "And back",
    "  accounts.csv         restoreByFile, its second line: 0,[address],0",
    "  letters/welcome.txt  restoreByStream, its second line: write to [address] whenever you like.",
    "",
    "Refused",
    ...both("another key", "DECRYPT_KEY_UNKNOWN"),
    ...both("another key, same id", "DECRYPT_KEY_UNKNOWN"),
    ...both("the last byte is missing", "DECRYPT_TRUNCATED"),
    ...both("a byte is changed", "DECRYPT_DAMAGED"),
    ...both("another file's object", "DECRYPT_CONTEXT"),
    "",
    "A new key",
    "  accounts.csv         encrypted with 2026, restored with the list of both",
    "  letters/welcome.txt  encrypted with 2027, restored with the list of both",
    "  logo.png             encrypted with 2026, restored with the list of both",
    ...both("the old key is gone", "DECRYPT_KEY_UNKNOWN"),
  ]);
});
