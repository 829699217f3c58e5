import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { brokenAddresses, foreignRequests, missingExports, missingPages } from "../../docs/.vitepress/check-site.mjs";
import {
  addressesOf,
  root,
  sectionsOf,
  sidebarOf,
  siteLink,
  sitePath,
  slugify,
  sourcePages,
} from "../../docs/.vitepress/pages.mjs";
import { anchors } from "../check-docs.mjs";

const index = readFileSync(join(root, "docs/README.md"), "utf8");
const entries = [{ name: "@bucketline/core/s3", folder: "core/s3", exports: ["S3ObjectStore"] }];

/** A built site with every page that the sources have. */
function complete(sources) {
  return new Map(sources.map((source) => [sitePath(source).replace(/\.md$/, ".html"), "<h1 id='x'></h1>"]));
}

test("every page of the repository has its place on the site, and no two share one", () => {
  const sources = sourcePages();
  expect(sources).toEqual(expect.arrayContaining(["docs/README.md", "README.md", "packages/core/README.md"]));
  const places = sources.map((source) => sitePath(source).toLowerCase());
  expect(new Set(places).size).toBe(sources.length);
  expect(missingPages(sources, complete(sources), sidebarOf(index, entries))).toEqual([]);
});

test("a page that was not built, and one that the index does not begin a row with, are found", () => {
  const sources = ["docs/README.md", "docs/faq.md", "docs/why.md"];
  const files = complete(["docs/README.md", "docs/faq.md"]);
  const sidebar = sidebarOf("## New\n\n| | |\n|---|---|\n| [Why](why.md) | and [why not](faq.md) |\n", []);
  expect(missingPages(sources, files, sidebar)).toEqual([
    "docs/why.md is not on the site",
    "docs/faq.md is not in the sidebar: docs/README.md does not begin a row with it",
  ]);
});

test("the sidebar follows the index, takes up the pages of the decisions, and names the reference's entries", () => {
  const text =
    "# Docs\n\n## New\n\n| | |\n|---|---|\n| [Why](why.md) | x |\n| [Made](adr/README.md) | y |\n\n## Later\n\n- [Faq](faq.md)\n";
  const [first, later, reference] = sidebarOf(text, entries);
  expect(first).toEqual({
    text: "New",
    items: [
      { text: "Why", link: "/why.html" },
      { text: "Made", link: "/adr/", collapsed: true, items: expect.any(Array) },
    ],
  });
  expect(first.items[1].items[0].link).toBe("/adr/0001-ledger-as-the-only-truth.html");
  expect(first.items[1].items[0].text).toMatch(/\w+ \w+/);
  expect(later.items).toEqual([{ text: "Faq", link: "/faq.html" }]);
  expect(reference.items).toEqual([{ text: "@bucketline/core/s3", link: "/reference/core/s3/" }]);
  expect(addressesOf([first, later, reference])).toContain("/reference/core/s3/");
  expect(sectionsOf(index).length).toBeGreaterThan(3);
});

test("links of the repository lead to the same places on the site", () => {
  expect(siteLink("docs/faq.md", "why.md#speed")).toEqual({ address: "/why.html#speed" });
  expect(siteLink("docs/faq.md", "../packages/core")).toEqual({ address: "/packages/core/" });
  expect(siteLink("README.md", "docs/README.md")).toEqual({ address: "/" });
  expect(siteLink("docs/why.md", "#speed")).toEqual({ address: "#speed" });
  expect(siteLink("docs/operations.md", "alerts.yml")).toEqual({
    address: "/files/docs/alerts.yml",
    copy: { from: "docs/alerts.yml", to: "files/docs/alerts.yml" },
  });
  expect(siteLink("docs/operations.md", "../Dockerfile").address).toBe("/files/Dockerfile.txt");
  expect(siteLink("docs/faq.md", "nowhere.md")).toBeUndefined();
});

test("headings have the anchors that they have on a Git host", () => {
  const heading = "What `bucketline` does, & what it doesn't";
  expect(anchors(`## ${heading}\n`)).toEqual([slugify(heading.replaceAll("`", ""))]);
});

test("an export that the reference does not link to is found", () => {
  const page = '<a href="./classes/S3ObjectStore.html">S3ObjectStore</a>';
  const files = new Map([["reference/core/s3/index.html", page]]);
  expect(missingExports(entries, files)).toEqual([]);
  const more = [{ ...entries[0], exports: ["S3ObjectStore", "createS3Client"] }];
  expect(missingExports(more, files)).toEqual(["@bucketline/core/s3: createS3Client is not in the reference"]);
  expect(missingExports(entries, new Map())).toHaveLength(1);
});

test("links to pages and headings that are not there are found", () => {
  const outDir = mkdtempSync(join(tmpdir(), "site-"));
  const files = new Map([
    ["a.html", '<a href="./b.html#there"></a><a href="./b.html#not"></a><a href="/c.html"></a><a href="#here"></a>'],
    ["b.html", '<h2 id="there">x</h2><a href="https://example.com/z"></a><a class="x" href="/"></a>'],
    ["index.html", '<a href="/a.html">a</a>'],
  ]);
  expect(brokenAddresses(files, outDir)).toEqual([
    "a.html: ./b.html#not: there is no such heading",
    "a.html: /c.html is not on the site",
    "a.html: #here: there is no such heading",
  ]);
  expect(brokenAddresses(new Map([["index.html", '<a href="/docs/">a</a>']]), outDir, "/docs/")).toEqual([]);
  rmSync(outDir, { recursive: true });
});

test("what a page would fetch from another host is found; links and shown code are not", () => {
  const fine =
    '<a href="https://example.com">x</a><script src="/a.js"></script><pre>&lt;img src="https://x.org/i"&gt;</pre>';
  expect(foreignRequests(new Map([["fine.html", fine]]))).toEqual([]);
  const files = new Map([
    ["a.html", '<link rel="stylesheet" href="https://fonts.example.com/css">'],
    [
      "b.html",
      '<img alt="" src="//cdn.example.com/i.png"><script type="module" src="http://x.example.com/m.js"></script>',
    ],
    ["c.css", "@font-face { src: url(https://fonts.example.com/f.woff2) }"],
  ]);
  expect(foreignRequests(files)).toEqual([
    "a.html fetches https://fonts.example.com/css",
    "b.html fetches //cdn.example.com/i.png",
    "b.html fetches http://x.example.com/m.js",
    "c.css fetches https://fonts.example.com/f.woff2",
  ]);
});
