import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { objectStoreCases, stateStoreCases } from "@bucketline/conformance";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(join(root, "packages/conformance/README.md"), "utf8");
const guide = readFileSync(join(root, "docs/writing-a-store.md"), "utf8");

const never = () => Promise.reject(new Error("not opened"));
const stateCases = stateStoreCases({ open: never, older: { "version 1": never } });
const objectCases = objectStoreCases({ open: never });

const groupsOf = (cases: readonly { readonly name: string }[]) => [
  ...new Set(cases.map(({ name }) => name.split(": ")[0] ?? "")),
];

function methodsOf(port: string): string[] {
  const text = readFileSync(join(root, `packages/core/src/ports/${port}.ts`), "utf8");
  const asynchronous = /^ {2}(\w+)\([^()]*\): (?:Promise|AsyncIterable)</gm;
  return [...text.matchAll(asynchronous)].map(([, name]) => name as string);
}

test("the README's test file runs under node:test, and passes", async () => {
  const [, source] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "bucketline-readme-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "store.test.mjs"), source as string);
  const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning", "--test"];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "--test-reporter=tap"], {
    cwd: folder,
    env,
    maxBuffer: 2 ** 24,
  });
  expect(stdout).toContain(`# pass ${stateStoreCases({ open: never }).length}\n`);
  expect(stdout).toContain("# fail 0\n");
});

test("README and guide name every group of cases", () => {
  const lists = [...readme.matchAll(/^Groups: ([^.]*)\./gm)].map(([, list]) => list?.split(/,\s/));
  expect(lists).toEqual([groupsOf(stateCases), groupsOf(objectCases)]);
  const table = guide.slice(guide.indexOf("| group |"), guide.indexOf("Cases marked `slow`"));
  const rows = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell]) => cell?.split(", "));
  expect(rows).toEqual(["group", ...groupsOf(stateCases)]);
});

test("the guide explains every method of both ports once", () => {
  const named = [...guide.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|[^|]*\|[^|]*\|$/gm)].flatMap(([, cell]) =>
    [...(cell ?? "").matchAll(/\w+/g)].map(([name]) => name),
  );
  const explained = named.filter((name) => !/^[A-Z]/.test(name)).sort();
  const state = methodsOf("state-store");
  expect(state.length).toBe(23);
  expect(explained).toEqual([...state, ...methodsOf("object-store")].sort());
});
