import { type Check, type Examination, ok, warning } from "./finding.ts";

/** What is older than the oldest that works never gets here: the program itself refuses it. */
export const nodeCheck: Check<Examination> = {
  name: "node",
  run() {
    return [assessNode(process.versions.node)];
  },
};

/** Even numbers become long-term releases, odd ones are dropped after half a year (nodejs.org, "Release schedule"). */
export function assessNode(version: string) {
  const facts = { version, platform: process.platform, arch: process.arch };
  const major = Number.parseInt(version, 10);
  if (major % 2 === 0) return ok(`Node.js ${version} on ${process.platform}.`, facts);
  const remedy = "Use a version with an even number, which gets fixes for years.";
  return warning(`Node.js ${version} is not a long-term release.`, remedy, facts);
}
