import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import { build, type Plugin } from "vite";

/** Shorter files are not worth a second one. */
const COMPRESSED_FROM = 1024;

/** Builds the dashboard into a folder, in place of what was there: `index.html`, and `assets/` with hashed names. */
export async function buildDashboard(outDir: string): Promise<void> {
  const parent = dirname(resolve(outDir));
  await mkdir(parent, { recursive: true });
  // Whoever serves the folder meanwhile misses it for an instant only.
  const made = await mkdtemp(join(parent, ".dashboard-"));
  await inProduction(() => bundle(made));
  await compress(join(made, "assets"));
  await chmod(made, 0o755);
  await rm(outDir, { recursive: true, force: true });
  await rename(made, outDir);
}

async function bundle(outDir: string): Promise<void> {
  await build({
    root: fileURLToPath(new URL(".", import.meta.url)),
    configFile: false,
    envDir: false,
    publicDir: false,
    // Relative addresses work under any prefix.
    base: "./",
    logLevel: "warn",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    plugins: [blockingScript],
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2023",
      modulePreload: false,
      // Inlined assets would need data: in the policy of the page.
      assetsInlineLimit: 0,
      reportCompressedSize: false,
    },
  });
}

/** Vite asks the environment what to build for; that of tests would give something else than what is shipped. */
async function inProduction(run: () => Promise<void>): Promise<void> {
  const before = process.env.NODE_ENV;
  process.env.NODE_ENV = "production";
  try {
    await run();
  } finally {
    if (before === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = before;
  }
}

/** The script chooses between light and dark: nothing is painted before it has. */
const blockingScript: Plugin = {
  name: "blocking-script",
  transformIndexHtml: {
    order: "post",
    handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
  },
};

async function compress(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const content = await readFile(path);
    if (content.length < COMPRESSED_FROM) continue;
    await writeFile(`${path}.br`, await promisify(brotliCompress)(content));
    await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }));
  }
}
