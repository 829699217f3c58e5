import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const FILE = "redoc.standalone.js";

/** The one thing that the bundle would fetch from elsewhere: the logo beside "API docs by Redocly". */
const REMOTE_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg";
const NO_LOGO = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";

/** ReDoc as one script that asks nobody but us. @throws Error when the package was not built */
export async function redocScript(): Promise<string> {
  const built = fileURLToPath(new URL(`./redoc/${FILE}`, import.meta.url));
  const path = existsSync(built) ? built : createRequire(import.meta.url).resolve(`redoc/bundles/${FILE}`);
  return (await readFile(path, "utf8")).replaceAll(REMOTE_LOGO, NO_LOGO);
}

/** @param prefix where the plugin stands */
export function redocPage(prefix: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Bucketline HTTP API</title>
</head>
<body>
<redoc spec-url="${prefix}/openapi.json"></redoc>
<script src="${prefix}/redoc/${FILE}"></script>
</body>
</html>
`;
}
