import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startSandbox } from "@bucketline/s3-sandbox";
import ts from "typescript";
import { expect, test } from "vitest";
import { anchors, brokenLinks, problems, typeErrors, typeScriptBlocks, unlisted } from "../check-docs.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

test("every block of the documentation compiles, and every link leads somewhere", () => {
  const found = problems();
  expect(found.problems).toEqual([]);
  expect(found.blocks).toBeGreaterThan(10);
});

test("a block that does not compile is found, with its line", () => {
  const text = "One\n\n```ts\nconst n: number = 1;\nconst state: string = upload.stat + n;\n```\n";
  const [block, ...others] = typeScriptBlocks(text);
  expect(others).toEqual([]);
  expect(typeErrors([{ path: "page.md", ...block }])).toEqual([
    { path: "page.md", line: 5, message: expect.stringContaining("'stat' does not exist") },
  ]);
});

test("links to missing pages and headings are found, links in code and to other sites are not looked at", () => {
  const text =
    "[a](missing.md)\n[b](README.md#status) [c](README.md#nowhere)\n`[d](x.md)` [e](https://example.com/y)\n## F\n[f](#f)\n";
  expect(brokenLinks(join(root, "page.md"), text)).toEqual([
    { line: 1, message: "missing.md does not exist" },
    { line: 2, message: "README.md#nowhere: there is no such heading" },
  ]);
});

test("a page that its index does not name is found", () => {
  const index = join(root, "docs", "README.md");
  const paths = ["README.md", "a.md", "b.md", "adr/c.md"].map((path) => join(root, "docs", path));
  expect(unlisted(index, "[a](a.md#part)\n", paths)).toEqual([{ line: 1, message: "b.md is not in this index" }]);
  expect(unlisted(index, "[a](a.md) [b](b.md)\n", paths)).toEqual([]);
});

test("anchors are those of GitHub", () => {
  expect(anchors("# One, `two` & [three](x)\n## Same\n### Same\n")).toEqual(["one-two--three", "same", "same-1"]);
});

test("the README's first example runs as it stands, on nothing but a bucket and a folder", async () => {
  const [block] = typeScriptBlocks(readme);
  // Compiled, because Node.js 22 does not know `await using`.
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const code = ts.transpileModule(block.code, { compilerOptions: options }).outputText;
  mkdirSync(join(root, "node_modules", ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, "node_modules", ".cache", "readme-"));
  const sandbox = await startSandbox({ region: "eu-west-1", buckets: ["my-bucket"] });
  try {
    mkdirSync(join(folder, "photos", "trip"), { recursive: true });
    for (const name of ["one.jpg", "trip/two.jpg", "three.txt"]) {
      writeFileSync(join(folder, "photos", name), name);
      // So that nobody has to wait until the files have been quiet for long enough.
      utimesSync(join(folder, "photos", name), 1_700_000_000, 1_700_000_000);
    }
    writeFileSync(join(folder, "example.mjs"), code);
    const { code: exit, output } = await run(folder, sandbox);
    expect({ exit, output }).toEqual({ exit: 0, output: expect.stringMatching(/ 1 0\n$/) });
    const keys = sandbox.objects("my-bucket").map(({ key }) => key.replace(/^[0-9a-f-]{36}\//, ""));
    expect(keys).toEqual(["one.jpg", "trip/two.jpg"]);
  } finally {
    await sandbox.close();
    rmSync(folder, { recursive: true });
  }
});

function run(folder, { endpoint, credentials }) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  const env = {
    ...Object.fromEntries(own),
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const args = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning", "example.mjs"];
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      output += chunk;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}
