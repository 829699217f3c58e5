// Prints "N passed, N failed" from the JSON report of a vitest run. Fails when there is no report or a test was skipped.
// Usage: node scripts/test-totals.mjs REPORT.json

import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const skipped = report.numPendingTests + report.numTodoTests;
if (skipped > 0) {
  process.stderr.write(`${skipped} tests were skipped; CI counts that as a failure\n`);
  process.exitCode = 1;
}
process.stdout.write(`${report.numPassedTests} passed, ${report.numFailedTests} failed\n`);
