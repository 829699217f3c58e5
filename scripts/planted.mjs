// Proves the tests: plants one deliberate bug at a time in a copy of the tree and runs the tests that must catch it.
// A bug that no test notices is a failure. The list is planted/bugs.json; adding a bug is adding an entry there.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bugs = JSON.parse(readFileSync(new URL("planted/bugs.json", import.meta.url), "utf8"));
const only = process.argv[2];

/** The tree without what is installed or built; packages find each other in the copy, everything else in the original. */
function copyTree() {
  const copy = mkdtempSync(join(tmpdir(), "bucketline-planted-"));
  const wanted = (path) => !/(^|\/)(node_modules|dist|\.git|\.bucketline)$/.test(path);
  for (const name of ["packages", "scripts", "package.json", "vitest.config.ts", "tsconfig.base.json"]) {
    cpSync(join(root, name), join(copy, name), { recursive: true, filter: wanted });
  }
  const modules = join(copy, "node_modules");
  mkdirSync(join(modules, "@bucketline"), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "@bucketline" && name !== ".cache") symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  for (const name of readdirSync(join(copy, "packages"))) {
    symlinkSync(join(copy, "packages", name), join(modules, "@bucketline", name));
  }
  return copy;
}

/** @returns the file's text before, to put back */
function plant(copy, { file, find, replace }) {
  const path = join(copy, file);
  const text = readFileSync(path, "utf8");
  const places = text.split(find).length - 1;
  if (places !== 1)
    throw new Error(`${file} has ${places} places like ${JSON.stringify(find)}: the entry is out of date.`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
  return () => writeFileSync(path, text);
}

/** @returns the names of the tests that failed */
function failingTests(copy, tests) {
  const report = join(copy, "report.json");
  rmSync(report, { force: true });
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", ...tests.split(" "), "--reporter=json", `--outputFile=${report}`, "--bail=1"];
  const env = { ...process.env, CI: "", BUCKETLINE_TEST_REPORT: undefined };
  spawnSync(process.execPath, args, { cwd: copy, env, stdio: "ignore", timeout: 300_000 });
  const { testResults } = JSON.parse(readFileSync(report, "utf8"));
  const failed = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "failed");
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  if (failed.length === 0 && broken.length > 0) throw new Error(`a test file did not load: ${broken[0].message}`);
  return failed.map(({ fullName }) => fullName);
}

const copy = copyTree();
/** Files of tests that are green as they stand: only then does a red one mean that it saw the bug. */
const green = new Set();

function checkGreen(tests) {
  if (green.has(tests)) return;
  const failed = failingTests(copy, tests);
  if (failed.length > 0) throw new Error(`Without any planted bug this test fails: ${failed[0]}`);
  green.add(tests);
}

let caught = 0;
let missed = 0;
try {
  for (const bug of bugs.filter(({ name }) => only === undefined || name.includes(only))) {
    checkGreen(bug.tests);
    const restore = [bug, ...(bug.also ? [bug.also] : [])].map((edit) => plant(copy, edit));
    const failed = failingTests(copy, bug.tests);
    for (const undo of restore) undo();
    if (failed.length > 0) caught++;
    else missed++;
    console.log(
      `${failed.length > 0 ? "caught" : "MISSED"}  ${bug.name}${failed[0] ? `\n        by: ${failed[0]}` : ""}`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`planted: ${caught} caught, ${missed} missed`);
process.exitCode = missed === 0 && caught > 0 ? 0 : 1;
