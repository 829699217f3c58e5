import { fileURLToPath } from "node:url";
import { buildDashboard } from "../dashboard/build.ts";

/** Tests meet the dashboard as it is in the sources. */
export async function setup(): Promise<void> {
  await buildDashboard(fileURLToPath(new URL("../dist/dashboard/", import.meta.url)));
}
