// Checks the documentation: TypeScript blocks compile against the sources, relative links lead somewhere, and the indexes
// in docs/ name every page beside them.
// ```ts blocks are modules of their own; `service` and `upload` are known to all of them.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));

const ambient = `
declare const service: import("@bucketline/core").UploadService;
declare const upload: import("@bucketline/core").Upload;
`;

/** Written from docstrings by `npm run docs`, and no page of the repository. */
const generated = join(root, "docs", "reference");

/** Absolute paths of every page, in order: the root's, those of docs/, packages and examples. */
export function pages(folder = root) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isFile()) return entry.name.endsWith(".md") ? [path] : [];
      const skipped =
        entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".") || path === generated;
      return entry.isDirectory() && !skipped ? pages(path) : [];
    });
}

/** The ```ts blocks of a page, each with the line of its first line of code (from 1). */
export function typeScriptBlocks(text) {
  const blocks = [];
  for (const match of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
    const line = text.slice(0, match.index).split("\n").length + 1;
    blocks.push({ line, code: match[1] });
  }
  return blocks;
}

/** GitHub's anchors of the headings of a page. */
export function anchors(text) {
  const counts = new Map();
  const plain = text.replace(/^```[\s\S]*?^```$/gm, "");
  return [...plain.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = words.replace(/[^\p{L}\p{N}\- _]/gu, "").replaceAll(" ", "-");
    const seen = counts.get(slug) ?? 0;
    counts.set(slug, seen + 1);
    return seen === 0 ? slug : `${slug}-${seen}`;
  });
}

/** Relative links of a page that lead nowhere. */
export function brokenLinks(path, text) {
  const plain = text.replace(/^```[\s\S]*?^```$/gm, (block) => block.replace(/[^\n]/g, "")).replace(/`[^`\n]*`/g, "");
  const broken = [];
  for (const match of plain.matchAll(/\]\(([^)\s]+)\)/g)) {
    const link = match[1];
    if (/^[a-z]+:/.test(link)) continue;
    const [file, anchor] = link.split("#");
    const target = resolve(dirname(path), decodeURIComponent(file));
    const line = plain.slice(0, match.index).split("\n").length;
    if (file !== "" && !existsSync(target)) broken.push({ line, message: `${link} does not exist` });
    else if (anchor && !anchors(file === "" ? text : pageAt(target)).includes(anchor)) {
      broken.push({ line, message: `${link}: there is no such heading` });
    }
  }
  return broken;
}

/** The pages of an index's own folder that it does not link to. */
export function unlisted(index, text, paths) {
  const linked = new Set([...text.matchAll(/\]\(([^)\s#]+)/g)].map(([, link]) => resolve(dirname(index), link)));
  const beside = paths.filter((path) => dirname(path) === dirname(index) && path !== index && !linked.has(path));
  return beside.map((path) => ({ line: 1, message: `${relative(dirname(index), path)} is not in this index` }));
}

function pageAt(path) {
  return statSync(path).isFile() ? readFileSync(path, "utf8") : "";
}

/**
 * Type-checks blocks as if each were a file at the root of the repository.
 * @param {{ path: string, line: number, code: string }[]} blocks
 * @returns {{ path: string, line: number, message: string }[]}
 */
export function typeErrors(blocks) {
  const config = ts.readConfigFile(join(root, "tsconfig.base.json"), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, root);
  const files = new Map(blocks.map((block, n) => [join(root, `docs-block-${n}.ts`), block]));
  const ambientPath = join(root, "docs-ambient.d.ts");
  const sourceOf = (name) => {
    const block = files.get(name);
    // A block without imports is a module all the same.
    if (block) return `${block.code}\nexport {};\n`;
    return name === ambientPath ? ambient : undefined;
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => sourceOf(name) !== undefined || fileExists(name);
  host.readFile = (name) => sourceOf(name) ?? readFile(name);
  host.getSourceFile = (name, languageOptions, ...rest) => {
    const text = sourceOf(name);
    return text === undefined
      ? getSourceFile(name, languageOptions, ...rest)
      : ts.createSourceFile(name, text, languageOptions, true);
  };
  const program = ts.createProgram({ rootNames: [ambientPath, ...files.keys()], options, host });
  return [...files].flatMap(([name, block]) => {
    const source = program.getSourceFile(name);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ start = 0, messageText }) => ({
      path: block.path,
      line: block.line + source.getLineAndCharacterOfPosition(start).line,
      message: ts.flattenDiagnosticMessageText(messageText, "\n"),
    }));
  });
}

/** Everything that is wrong with the documentation, as "path:line message". */
export function problems() {
  const texts = pages().map((path) => ({ path, text: readFileSync(path, "utf8") }));
  const blocks = texts.flatMap(({ path, text }) => typeScriptBlocks(text).map((block) => ({ path, ...block })));
  const links = texts.flatMap(({ path, text }) => brokenLinks(path, text).map((problem) => ({ path, ...problem })));
  const indexes = texts.filter(({ path }) => /^docs[\\/](.*[\\/])?README\.md$/.test(relative(root, path)));
  const paths = texts.map(({ path }) => path);
  const missing = indexes.flatMap(({ path, text }) =>
    unlisted(path, text, paths).map((problem) => ({ path, ...problem })),
  );
  const all = [...links, ...missing, ...typeErrors(blocks)];
  return {
    pages: texts.length,
    blocks: blocks.length,
    problems: all.map(({ path, line, message }) => `${relative(root, path)}:${line} ${message}`),
  };
}

function main() {
  const found = problems();
  for (const problem of found.problems) process.stderr.write(`${problem}\n`);
  process.stdout.write(`docs: ${found.pages} pages, ${found.blocks} blocks, ${found.problems.length} problems\n`);
  if (found.problems.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
