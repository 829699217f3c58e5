import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = fileURLToPath(new URL(".", import.meta.url));

const report = process.env.BUCKETLINE_TEST_REPORT;

const folders = ["packages", "examples"].flatMap((folder) =>
  existsSync(`${root}${folder}`) ? readdirSync(`${root}${folder}`).map((name) => `${folder}/${name}`) : [],
);

const workspaces = [...folders, "bench"]
  .map((name) => ({ name, root: `${root}${name}` }))
  .filter((workspace) => existsSync(`${workspace.root}/test`));

export default defineConfig({
  // Packages are tested from their sources. "module" is left out of Vite's usual conditions: it leads to bundler builds,
  // such as the AWS SDK's dist-es, that Node.js cannot load.
  ssr: { resolve: { conditions: ["@bucketline/source", "node", "development|production"] } },
  test: {
    allowOnly: false,
    // better-sqlite3 is a native addon: processes keep its crashes and its open files apart.
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: [
      "default",
      ...(process.env.CI ? [`${root}scripts/fail-on-skipped.mjs`] : []),
      ...(report === undefined ? [] : [["json", { outputFile: report }] as ["json", { outputFile: string }]]),
    ],
    projects: [
      ...workspaces.map((workspace) => ({
        extends: true as const,
        test: {
          name: workspace.name,
          root: workspace.root,
          include: ["test/**/*.test.ts", "dashboard/test/**/*.test.ts"],
          globalSetup: existsSync(`${workspace.root}/test/global-setup.ts`)
            ? [`${workspace.root}/test/global-setup.ts`]
            : [],
        },
      })),
      { extends: true as const, test: { name: "scripts", root, include: ["scripts/test/*.test.mjs"] } },
    ],
  },
});
