import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the built dashboard is: the same seen from `src/` and, bundled, from `dist/`. Null: it has not been built. */
export function dashboardFolder(): string | null {
  const folder = fileURLToPath(new URL("../dist/dashboard/", import.meta.url));
  return existsSync(`${folder}index.html`) ? folder : null;
}
