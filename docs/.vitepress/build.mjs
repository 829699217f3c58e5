// `npm run docs`: writes the API reference, builds the site, and fails when something is missing from it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vitepress";
import { brokenAddresses, builtFiles, foreignRequests, missingExports, missingPages } from "./check-site.mjs";
import { root, sidebarOf, sourcePages } from "./pages.mjs";
import { writeReference } from "./reference.mjs";

const outDir = join(root, "docs/.vitepress/dist");

function siteProblems(entries) {
  const files = builtFiles(outDir);
  const sidebar = sidebarOf(readFileSync(join(root, "docs/README.md"), "utf8"), entries);
  return {
    pages: [...files.keys()].filter((path) => path.endsWith(".html")).length,
    problems: [
      ...missingPages(sourcePages(), files, sidebar),
      ...missingExports(entries, files),
      ...brokenAddresses(files, outDir, process.env.DOCS_BASE),
      ...foreignRequests(files),
    ],
  };
}

const reference = await writeReference();
const site = await build(join(root, "docs")).then(
  () => siteProblems(reference.entries),
  (error) => ({ pages: 0, problems: [error.message] }),
);
const problems = [...reference.problems, ...site.problems];
for (const problem of problems) process.stderr.write(`${problem}\n`);
const exports = reference.entries.reduce((sum, entry) => sum + entry.exports.length, 0);
process.stdout.write(
  `site: ${site.pages} pages, ${exports} exports, ${problems.length} problems: docs/.vitepress/dist\n`,
);
if (problems.length > 0) process.exitCode = 1;
