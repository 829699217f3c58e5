// What `npm start` and `npm test` run: set-up, then one program on the project's Node.js.
// Runs before anything is installed: plain JavaScript for Node 18 and later, Node's own modules only.

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { projectNode, root, SetupError, setUp } from "./setup.mjs";

const vitest = "node_modules/vitest/vitest.mjs";
// Node 22 announces its type stripping as experimental at every start.
const fromSources = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
const programs = {
  cli: [...fromSources, join(root, "packages/cli/src/main.ts")],
  start: [...fromSources, "examples/quickstart/src/main.ts"],
  kills: [...fromSources, "packages/core/test/kill/run.ts"],
  planted: ["scripts/planted.mjs"],
  "pack-test": ["scripts/pack-test.mjs"],
  docs: ["docs/.vitepress/build.mjs"],
  hosts: [...fromSources, "packages/store-postgres/test/hosts/run.ts"],
  "sim:postgres": [...fromSources, "packages/store-postgres/test/simulation/run.ts"],
  service: [...fromSources, "examples/service/src/main.ts"],
  soak: [...fromSources, "packages/core/test/soak/main.ts"],
  bench: [...fromSources, "bench/transfer/main.ts"],
  "bench:check": [...fromSources, "bench/transfer/check.ts"],
  "bench:http": [...fromSources, "bench/http/main.ts"],
  "bench:scaling": [...fromSources, "bench/scaling/main.ts"],
  "bench:scan": [...fromSources, "bench/scan/main.ts"],
  "bench:startup": [...fromSources, "bench/startup/main.ts"],
  "bench:stores": [...fromSources, "bench/stores/main.ts"],
  "bench:watch": [...fromSources, "bench/watch/main.ts"],
  sim: [...fromSources, "packages/core/sim/main.ts"],
  test: [vitest, "run"],
  "test:watch": [vitest, "watch"],
};

/** What has to be made first. Everything else runs from its sources as it is. */
const preparations = {
  service: [...fromSources, "packages/http/dashboard/main.ts"],
  "example embed-fastify": [...fromSources, "packages/http/dashboard/main.ts"],
  "example embed-express": [...fromSources, "packages/http/dashboard/main.ts"],
  "example ingest": [...fromSources, "packages/http/dashboard/main.ts"],
};

/** `npm run example -- NAME`: each example is a program of its own. */
for (const { name } of readdirSync(join(root, "examples"), { withFileTypes: true })) {
  const main = join("examples", name, "src", "main.ts");
  if (existsSync(join(root, main))) programs[`example ${name}`] = [...fromSources, main];
}

const ancestorPollMs = 250;
const graceMs = 5000;

/**
 * Identifies the npm that started us. npm puts a shell between itself and a script, and that shell passes no signal
 * on: the shell's parent tells whether npm is still there. Without /proc only the direct parent is known.
 */
function ancestors() {
  const parent = process.ppid;
  try {
    const shell = readFileSync(`/proc/${parent}/cmdline`, "utf8").split("\0")[1] === "-c";
    const grandparent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${parent}/status`, "utf8"))?.[1];
    return shell ? `${parent} ${grandparent}` : `${parent}`;
  } catch {
    return `${parent}`;
  }
}

/** Ends the program when npm is gone, however it went; otherwise a killed `npm start` would go on unseen. */
function followNpm(child) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const started = ancestors();
  const timer = setInterval(() => {
    if (ancestors() === started) return;
    clearInterval(timer);
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), graceMs).unref();
  }, ancestorPollMs);
  timer.unref();
}

function passSignals(child) {
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGINT", () => {
    // A terminal sends Ctrl-C to the program as well; a second one would mean "stop at once" to it.
    if (!process.stdin.isTTY) child.kill("SIGINT");
  });
}

/** Where the program works: the command line where it was called, all others in the project. */
function folderOf(name) {
  return name === "cli" ? (process.env.INIT_CWD ?? process.cwd()) : root;
}

function run(program, args, cwd) {
  const bin = join(root, "node_modules", ".bin");
  const path = (process.env.PATH ?? "").split(delimiter);
  const env = {
    ...process.env,
    PATH: path.includes(bin) ? path.join(delimiter) : [bin, ...path].join(delimiter),
    INIT_CWD: process.env.INIT_CWD ?? process.cwd(),
  };
  const node = projectNode();
  const child = spawn(node, [...program, ...args], { cwd, env, stdio: "inherit" });
  passSignals(child);
  followNpm(child);
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new SetupError(`${node} could not be started: ${cause.message}`, { cause })));
    child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

const given = process.argv.slice(2);
const name = given.splice(0, given[0] === "example" ? 2 : 1).join(" ");
const args = given;
const program = programs[name];
if (program === undefined) {
  process.stderr.write(`run: unknown program ${JSON.stringify(name)}; one of: ${Object.keys(programs).join(", ")}\n`);
  process.exitCode = 2;
} else {
  try {
    await setUp();
    const preparation = preparations[name];
    process.exitCode = preparation === undefined ? 0 : await run(preparation, [], root);
    if (process.exitCode === 0) process.exitCode = await run(program, args, folderOf(name));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`set-up: ${error.message}\n`);
    process.exitCode = 1;
  }
}
