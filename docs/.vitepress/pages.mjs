// Which page of the repository becomes which page of the site, and the sidebar, which is docs/README.md's own structure.

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { pages } from "../../scripts/check-docs.mjs";

export const root = fileURLToPath(new URL("../..", import.meta.url));
/** Where the API reference is generated, relative to the root. */
export const referenceFolder = "docs/reference";
/** Where the site serves files that pages link to and that are no pages. */
const filesFolder = "files";

/** Paths of the hand-written pages, relative to the root, with "/". */
export function sourcePages() {
  return pages().map((path) => relative(root, path).replaceAll("\\", "/"));
}

/** Where a page of the repository stands on the site: `docs/` is the site's root, a README the index of its folder. */
export function sitePath(source) {
  if (source === "README.md") return "project.md";
  if (source === "SECURITY.md") return "security-policy.md";
  const path = source.replace(/^docs\//, "").replace(/(^|\/)README\.md$/, "$1index.md");
  return path === "CONTRIBUTING.md" ? "contributing.md" : path;
}

function asAddress(path) {
  return `/${path.replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, ".html")}`;
}

/** Browsers show these as text only under another name. */
function servedName(path) {
  return /\.(ts|tsx|mjs)$/.test(path) || !posix.basename(path).includes(".") ? `${path}.txt` : path;
}

/**
 * Where a relative link of a page leads on the site.
 * @param source the page, relative to the root
 * @returns the address, and the file to be served there when it is no page; undefined when the link leads nowhere
 */
export function siteLink(source, link) {
  const [file, anchor] = link.split("#");
  const hash = anchor === undefined ? "" : `#${anchor}`;
  if (file === "") return { address: link };
  const target = resolve(root, dirname(source), decodeURIComponent(file));
  if (!existsSync(target)) return undefined;
  const folder = statSync(target).isDirectory();
  const page = relative(root, folder ? join(target, "README.md") : target).replaceAll("\\", "/");
  if (page.endsWith(".md") && existsSync(join(root, page))) return { address: `${asAddress(sitePath(page))}${hash}` };
  if (folder || page.startsWith("..")) return undefined;
  const served = `${filesFolder}/${servedName(page)}`;
  return { address: `/${served}`, copy: { from: page, to: served } };
}

/** The link with which each table row and each list item begins. */
function leadingLinks(text) {
  return [...text.matchAll(/^(?:\||-)\s*\[([^\]]+)\]\(([^)\s]+)\)/gm)].map(([, title, link]) => ({ title, link }));
}

/** The sections of an index, by its headings of the second rank, with what each lists. */
export function sectionsOf(text) {
  return text
    .split(/^## /m)
    .slice(1)
    .map((part) => {
      return { title: part.split("\n")[0].trim(), links: leadingLinks(part) };
    })
    .filter(({ links }) => links.length > 0);
}

function headingOf(source) {
  return /^# (.+)$/m.exec(readFileSync(join(root, source), "utf8"))?.[1];
}

function itemOf(source, { title, link }) {
  const address = siteLink(source, link)?.address;
  const target = posix.join(posix.dirname(source), link);
  // An index below docs/ brings its own pages along.
  if (!target.startsWith("docs/") || !target.endsWith("/README.md")) return { text: title, link: address };
  const items = leadingLinks(readFileSync(join(root, target), "utf8")).map((below) => ({
    text: headingOf(posix.join(posix.dirname(target), below.link)),
    link: siteLink(target, below.link)?.address,
  }));
  return { text: title, link: address, ...(items.length > 0 ? { collapsed: true, items } : {}) };
}

/** @param entries of the API reference: `name` and `folder` of each */
export function sidebarOf(text, entries) {
  const sections = sectionsOf(text).map(({ title, links }) => ({
    text: title,
    items: links.map((link) => itemOf("docs/README.md", link)),
  }));
  const reference = entries.map(({ name, folder }) => ({ text: name, link: `/reference/${folder}/` }));
  return [...sections, { text: "API reference", link: "/reference/", items: reference }];
}

/** Every address in a sidebar. */
export function addressesOf(items) {
  return items.flatMap((item) => [...(item.link ? [item.link] : []), ...addressesOf(item.items ?? [])]);
}

/** GitHub's, so that links to headings lead to the same place there and here. */
export function slugify(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\- _]/gu, "")
    .replaceAll(" ", "-");
}
