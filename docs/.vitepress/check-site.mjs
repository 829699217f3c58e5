// Holds the built site against the sources: every page and every public export is there, every link leads somewhere, and
// nothing is asked of another host.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { addressesOf, sitePath } from "./pages.mjs";

/** Text of every HTML page and style sheet of a built site, by its path. */
export function builtFiles(outDir) {
  const paths = readdirSync(outDir, { recursive: true }).map((path) => path.replaceAll("\\", "/"));
  const texts = paths.filter((path) => /\.(html|css)$/.test(path));
  return new Map(texts.map((path) => [path, readFileSync(join(outDir, path), "utf8")]));
}

/** Pages of the repository that the site lacks, and pages of docs/ that its sidebar lacks. */
export function missingPages(sources, files, sidebar) {
  const built = sources.filter((source) => !files.has(sitePath(source).replace(/\.md$/, ".html")));
  const listed = new Set(addressesOf(sidebar));
  const unlisted = sources.filter((source) => {
    const path = sitePath(source);
    const address = `/${path.replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, ".html")}`;
    return source.startsWith("docs/") && source !== "docs/README.md" && !listed.has(address);
  });
  return [
    ...built.map((source) => `${source} is not on the site`),
    ...unlisted.map((source) => `${source} is not in the sidebar: docs/README.md does not begin a row with it`),
  ];
}

/** Exports that the page of their entry does not link to. */
export function missingExports(entries, files) {
  return entries.flatMap(({ name, folder, exports }) => {
    const page = files.get(`reference/${folder}/index.html`) ?? "";
    const linked = new Set([...page.matchAll(/<a [^>]*href="[^"]*"[^>]*>([^<]+)<\/a>/g)].map(([, text]) => text));
    return exports.filter((one) => !linked.has(one)).map((one) => `${name}: ${one} is not in the reference`);
  });
}

function idsOf(html) {
  return new Set([...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id));
}

function decoded(text) {
  return decodeURIComponent(text.replaceAll("&amp;", "&").replaceAll("&#39;", "'"));
}

/** Links of the site to places in it that are not there. `base` is what every address on the site begins with. */
export function brokenAddresses(files, outDir, base = "/") {
  const ids = new Map();
  const idsIn = (path) => {
    if (!ids.has(path)) ids.set(path, idsOf(files.get(path)));
    return ids.get(path);
  };
  const problems = new Set();
  for (const [path, html] of files) {
    if (!path.endsWith(".html") || path === "404.html") continue;
    for (const [, found] of html.matchAll(/<a [^>]*href="([^"]*)"/g)) {
      if (/^[a-z][a-z+.-]*:/.test(found)) continue;
      const [file, anchor] = decoded(found).split("#");
      const below = file.startsWith(base) ? file.slice(base.length) : posix.join(posix.dirname(path), file);
      const target = file === "" ? path : /(^|\/)$/.test(below) ? `${below}index.html` : below;
      if (!files.has(target) && !existsSync(join(outDir, target))) problems.add(`${path}: ${found} is not on the site`);
      else if (anchor && files.has(target) && !idsIn(target).has(anchor)) {
        problems.add(`${path}: ${found}: there is no such heading`);
      }
    }
  }
  return [...problems];
}

/** What a browser would fetch from another host by itself. Links that a reader may follow are not meant. */
export function foreignRequests(files) {
  const fetched =
    /<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc(?:set)?="((?:https?:)?\/\/[^"]*)"|<link\b[^>]*\bhref="((?:https?:)?\/\/[^"]*)"|url\(\s*["']?((?:https?:)?\/\/[^"')]*)|@import\s+["']((?:https?:)?\/\/[^"']*)/g;
  return [...files].flatMap(([path, text]) => {
    // What a page shows as code is not fetched.
    const live = text.replace(/<pre[\s\S]*?<\/pre>/g, "").replace(/<code[\s\S]*?<\/code>/g, "");
    return [...live.matchAll(fetched)].map(([, ...urls]) => `${path} fetches ${urls.find((url) => url !== undefined)}`);
  });
}
