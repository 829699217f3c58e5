import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { typeScriptBlocks } from "../check-docs.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(root, "docs/getting-started.md"), "utf8");
const shown = [...page.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)].map(([, language, block]) => ({
  language,
  block,
}));
const fromSources = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

let folder;
let sandbox;
let endpoint;

beforeAll(async () => {
  // Inside the repository, so that the packages are found.
  mkdirSync(join(root, "node_modules", ".cache"), { recursive: true });
  folder = mkdtempSync(join(root, "node_modules", ".cache", "started-"));
  const line = shown.find(({ block }) => block.startsWith("npx s3-sandbox")).block.trim();
  // Any free port: the one that the page names may be taken.
  const flags = line.split(" ").slice(2).join(" ").replace("--port 9000", "--port 0").split(" ");
  const program = join(root, "packages/s3-sandbox/src/bin.ts");
  sandbox = spawn(process.execPath, [...fromSources, program, ...flags], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [ready] = await once(sandbox.stdout.setEncoding("utf8"), "data");
  ({ endpoint } = JSON.parse(ready));
});

afterAll(async () => {
  sandbox.kill("SIGTERM");
  await once(sandbox, "exit");
  rmSync(folder, { recursive: true });
});

/** What the page exports before it runs the program, but for the port. */
function environment() {
  const { block } = shown.find(({ block }) => block.startsWith("export AWS_ENDPOINT_URL"));
  const named = Object.fromEntries([...block.matchAll(/(AWS_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  return { ...Object.fromEntries(own), ...named, AWS_ENDPOINT_URL: endpoint };
}

// How often progress is told depends on the machine.
const isProgress = (line) => /^\d+ %$/.test(line);

async function run() {
  const options = { cwd: folder, env: environment() };
  const { stdout } = await promisify(execFile)(process.execPath, [...fromSources, "upload.mjs"], options);
  return stdout.split("\n").filter((line) => line !== "" && !isProgress(line));
}

test("the five minutes of docs/getting-started.md end as the page says, and the second run sends nothing", async () => {
  const made = shown.find(({ block }) => block.startsWith("mkdir photos")).block;
  await promisify(execFile)("sh", ["-e", "-c", made], { cwd: folder });
  const [program] = typeScriptBlocks(page);
  writeFileSync(join(folder, "upload.mjs"), program.code);
  const promised = shown
    .find(({ language }) => language === "text")
    .block.trim()
    .split("\n");
  const wanted = promised.filter((line) => !isProgress(line));
  expect((await run()).sort()).toEqual([...wanted].sort());
  expect(await run()).toEqual(["2 of 2 files are in the bucket"]);
  writeFileSync(join(folder, "photos", "another.txt"), "another");
  expect(await run()).toEqual(["another.txt is in the bucket as photos/another.txt", "3 of 3 files are in the bucket"]);
});
