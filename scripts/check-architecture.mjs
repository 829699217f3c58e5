// Checks what the linter cannot express: which package may import which, and that the engine in packages/core reads
// no clock, no random numbers and no file system except through its ports.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What each package's src/ may import from the other packages. A new package is added here first. */
export const layers = {
  core: [],
  "s3-sandbox": [],
  "postgres-sandbox": [],
  conformance: ["core"],
  "store-sqlite": ["core"],
  "store-json": ["core"],
  "store-postgres": ["core"],
  http: ["core"],
  steps: ["core"],
  cli: ["core", "http", "steps", "conformance", "store-sqlite", "store-json", "store-postgres"],
};

/** Folders inside packages/core/src, and the folders whose files they may import; "" is src itself with the rest. */
const coreAreas = {
  "": [""],
  memory: ["", "memory"],
  s3: ["", "s3"],
  testing: ["", "memory", "testing"],
  tracing: ["", "tracing"],
};

/** Files that implement a port on the real machine: the only ones that touch what the port stands for. */
const coreGates = {
  time: ["clock.ts", "s3/connections.ts", "s3/dial.ts", "snapshots.ts", "source-reader.ts", "source-thread.ts"],
  randomness: ["random.ts"],
  files: [
    "file-system.ts",
    "node-file-system.ts",
    "node-folder-changes.ts",
    "node-spool-folder.ts",
    "ports/file-system.ts",
    "source-thread.ts",
    "walk-thread.ts",
    "watch-library.ts",
  ],
};

const timeGlobals = new Set(["setTimeout", "setInterval", "setImmediate", "performance"]);
const timeMembers = new Set(["Date.now", "process.hrtime", "process.uptime", "AbortSignal.timeout"]);
const timeModules = new Set(["timers", "timers/promises", "perf_hooks"]);
const randomMembers = new Set(["Math.random", "crypto.randomUUID", "crypto.getRandomValues"]);
const randomNames = new Set(["randomUUID", "randomBytes", "randomInt", "randomFillSync", "getRandomValues"]);
const fileModules = new Set(["fs", "fs/promises"]);

const builtins = new Set(builtinModules);

function packageOf(specifier) {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}

function coreArea(pathInSource) {
  const [first] = pathInSource.split("/");
  return first in coreAreas ? first : "";
}

/** Every module that a file names: import, export … from, import(), require() and import types. */
function importsOf(source) {
  const found = [];
  const add = (node, literal, typeOnly, names = []) => {
    if (literal !== undefined && ts.isStringLiteralLike(literal))
      found.push({ node, specifier: literal.text, typeOnly, names });
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) {
      const bindings = node.importClause?.namedBindings;
      const names = bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
      const typeOnly = node.importClause?.isTypeOnly ?? false;
      add(
        node,
        node.moduleSpecifier,
        typeOnly,
        names.map((element) => (element.propertyName ?? element.name).text),
      );
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    } else if (ts.isCallExpression(node)) {
      const isRequire = ts.isIdentifier(node.expression) && node.expression.text === "require";
      if (isRequire || node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node, node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Reads of the real clock, as "setTimeout", "Date.now" or "new Date()", and of random numbers. */
function ambientReads(source) {
  const found = [];
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    if (ts.isPropertyAccessExpression(node)) {
      const member = `${ts.isIdentifier(node.expression) ? node.expression.text : "?"}.${node.name.text}`;
      if (timeMembers.has(member)) found.push({ node, kind: "time", what: member });
      if (randomMembers.has(member)) found.push({ node, kind: "randomness", what: member });
      if (member.startsWith("globalThis.") && timeGlobals.has(node.name.text))
        found.push({ node, kind: "time", what: member });
      visit(node.expression);
      return;
    }
    if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "Date") {
      if ((node.arguments?.length ?? 0) === 0) found.push({ node, kind: "time", what: "new Date()" });
    }
    if (ts.isIdentifier(node) && timeGlobals.has(node.text) && isReference(node)) {
      found.push({ node, kind: "time", what: node.text });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** False for an identifier that only names a member, as in `{ setTimeout: … }` or `setTimeout(): void`. */
function isReference(node) {
  const { parent } = node;
  const namesMember =
    ts.isPropertyAssignment(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isPropertySignature(parent);
  return !(namesMember && parent.name === node);
}

function importProblem(file, manifest, { specifier, typeOnly, names }) {
  const inCore = file.package === "core";
  if (specifier.startsWith(".")) {
    const target = posix.normalize(posix.join(posix.dirname(file.path), specifier));
    if (target.startsWith("..")) return `imports ${specifier}, which lies outside src/`;
    const from = coreArea(file.path);
    if (inCore && !coreAreas[from].includes(coreArea(target))) {
      return `imports ${specifier}: ${from === "" ? "the engine" : `${from}/`} must not depend on ${coreArea(target)}/`;
    }
    return undefined;
  }
  const bare = specifier.replace(/^node:/, "");
  if (builtins.has(bare)) {
    if (!specifier.startsWith("node:")) return `imports ${specifier}: write node:${specifier}`;
    return inCore && !typeOnly ? gateProblem(file, bare, names) : undefined;
  }
  const name = packageOf(specifier);
  if (name === manifest.name) return `imports its own package ${name}: use a relative path`;
  if (name.startsWith("@bucketline/") && !layers[file.package].includes(name.slice("@bucketline/".length))) {
    return `imports ${specifier}: packages/${file.package} may import ${layers[file.package].join(", ") || "no other package"}`;
  }
  if (inCore && /^@(aws-sdk|smithy)\//.test(name) && coreArea(file.path) !== "s3") {
    return `imports ${specifier}: only packages/core/src/s3 knows the AWS SDK`;
  }
  const runtime = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies };
  const typesOnlyPackage = typeOnly && name in (manifest.devDependencies ?? {});
  if (!(name in runtime) && !typesOnlyPackage) return `imports ${name}, which is not in its package.json dependencies`;
  return undefined;
}

function gateProblem(file, builtin, names) {
  if (mayTouch(file, "time") === false && timeModules.has(builtin))
    return `imports node:${builtin}: use the Clock port`;
  if (mayTouch(file, "files") === false && fileModules.has(builtin))
    return `imports node:${builtin}: use the FileSystem port`;
  const random = builtin === "crypto" ? names.filter((name) => randomNames.has(name)) : [];
  if (mayTouch(file, "randomness") === false && random.length > 0) {
    return `imports ${random.join(", ")}: take an injected Random`;
  }
  return undefined;
}

function mayTouch(file, kind) {
  return file.package !== "core" || coreArea(file.path) === "testing" || coreGates[kind].includes(file.path);
}

/**
 * @param {{ package: string, path: string, text: string }} file path relative to the package's src/, with slashes
 * @param {object} manifest the package's package.json
 * @returns {{ line: number, message: string }[]} in the order of the lines
 */
export function violations(file, manifest) {
  if (!(file.package in layers)) {
    return [
      { line: 1, message: `packages/${file.package} has no entry in the layers of scripts/check-architecture.mjs` },
    ];
  }
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  const lineOf = (node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const problems = importsOf(source).flatMap((found) => {
    const message = importProblem(file, manifest, found);
    return message === undefined ? [] : [{ line: lineOf(found.node), message }];
  });
  for (const { node, kind, what } of ambientReads(source)) {
    if (mayTouch(file, kind)) continue;
    const remedy = kind === "time" ? "take the time from the Clock port" : "take an injected Random";
    problems.push({ line: lineOf(node), message: `uses ${what}: ${remedy}` });
  }
  return problems.sort((a, b) => a.line - b.line);
}

function main() {
  let files = 0;
  let problems = 0;
  for (const name of readdirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name);
    if (!existsSync(join(folder, "package.json")) || !existsSync(join(folder, "src"))) continue;
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    for (const entry of readdirSync(join(folder, "src"), { recursive: true }).sort()) {
      if (!entry.endsWith(".ts")) continue;
      const path = entry.replaceAll("\\", "/");
      const text = readFileSync(join(folder, "src", entry), "utf8");
      files += 1;
      for (const { line, message } of violations({ package: name, path, text }, manifest)) {
        problems += 1;
        process.stderr.write(`packages/${name}/src/${path}:${line} ${message}\n`);
      }
    }
  }
  process.stdout.write(`architecture: ${files} files, ${problems} violations\n`);
  if (problems > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
