/** Vitest reporter for CI: a test that was skipped or left as "todo" fails the run, so that no gap goes unseen. */
export default class FailOnSkipped {
  onTestRunEnd(modules) {
    if (process.env.BUCKETLINE_ALLOW_SKIPPED_TESTS === "1") return;
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")]);
    if (skipped.length === 0) return;
    for (const test of skipped)
      process.stderr.write(`skipped in CI: ${test.module.relativeModuleId} > ${test.fullName}\n`);
    process.exitCode = 1;
  }
}
