import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { defineConfig } from "vitepress";
import { root, sidebarOf, siteLink, sitePath, slugify } from "./pages.mjs";
import { publicEntries } from "./reference.mjs";

/** Files that pages link to: served name by path. */
const copies = new Map();

/** Relative links are written for readers of the repository; here they are led to the same places on the site. */
function leadLinks(md) {
  md.core.ruler.push("bucketline-links", ({ tokens, env }) => {
    const source = relative(root, env.realPath ?? env.path).replaceAll("\\", "/");
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const link = token.type === "link_open" ? token.attrGet("href") : null;
      if (link === null || /^[a-z]+:/.test(link) || link.startsWith("/")) continue;
      const led = siteLink(source, link);
      if (led === undefined) continue;
      token.attrSet("href", led.address);
      if (led.copy) copies.set(led.copy.from, led.copy.to);
    }
  });
}

/** Git hosts draw these; here their text is there for who opens it. */
function foldDiagrams(md) {
  const { fence } = md.renderer.rules;
  md.renderer.rules.fence = (tokens, n, ...rest) => {
    const shown = fence(tokens, n, ...rest);
    if (tokens[n].info.trim() !== "mermaid") return shown;
    return `<details class="details custom-block"><summary>Diagram, as Mermaid text</summary>${shown}</details>`;
  };
}

function copyFiles(outDir) {
  for (const [from, to] of copies) {
    mkdirSync(dirname(join(outDir, to)), { recursive: true });
    cpSync(join(root, from), join(outDir, to));
  }
}

// VitePress sets the colours by an inline script, before the page is drawn.
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
].join("; ");

export default defineConfig({
  title: "Bucketline",
  description: "Keeps folders flowing into S3, durably.",
  lang: "en",
  // For hosts that serve the site below a path.
  base: process.env.DOCS_BASE ?? "/",
  srcDir: "..",
  rewrites: (path) => sitePath(path),
  cacheDir: join(root, "node_modules/.cache/vitepress"),
  head: [
    // Nothing is asked of other hosts, and browsers hold the pages to that.
    ["meta", { "http-equiv": "Content-Security-Policy", content: contentSecurityPolicy }],
    ["link", { rel: "icon", href: "data:," }],
  ],
  markdown: { anchor: { slugify }, config: (md) => md.use(leadLinks).use(foldDiagrams) },
  themeConfig: {
    search: { provider: "local" },
    nav: [{ text: "API reference", link: "/reference/", activeMatch: "^/reference/" }],
    sidebar: sidebarOf(readFileSync(join(root, "docs/README.md"), "utf8"), publicEntries()),
    outline: [2, 3],
  },
  // The search index, which is asked for by the first search only.
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  buildEnd: ({ outDir }) => copyFiles(outDir),
});
