import { copyFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "tsup";
import { buildDashboard } from "./dashboard/build.ts";

export default defineConfig({
  entry: ["src/index.ts", "src/views.ts"],
  format: "esm",
  target: "node22",
  dts: true,
  sourcemap: true,
  clean: true,
  // After the folder has been cleaned.
  onSuccess: async () => {
    await copyRedoc(fileURLToPath(new URL("./dist/redoc/", import.meta.url)));
    await buildDashboard(fileURLToPath(new URL("./dist/dashboard/", import.meta.url)));
  },
});

/** ReDoc is a script that is served, not a package that is imported: it ships with its licence, and nobody installs it. */
async function copyRedoc(folder: string): Promise<void> {
  const bundle = createRequire(import.meta.url).resolve("redoc/bundles/redoc.standalone.js");
  await mkdir(folder, { recursive: true });
  for (const name of ["redoc.standalone.js", "redoc.standalone.js.LICENSE.txt"])
    await copyFile(join(dirname(bundle), name), join(folder, name));
  await copyFile(join(dirname(bundle), "../LICENSE"), join(folder, "LICENSE.txt"));
}
