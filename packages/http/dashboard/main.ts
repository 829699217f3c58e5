import { fileURLToPath } from "node:url";
import { buildDashboard } from "./build.ts";

await buildDashboard(fileURLToPath(new URL("../dist/dashboard/", import.meta.url)));
