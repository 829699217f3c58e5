import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ERRORS, type ErrorCode } from "@bucketline/core";
import { describe, expect, test } from "vitest";
import { statusOf } from "../src/errors.ts";
import { HTTP_ERRORS } from "../src/index.ts";
import { Bed } from "./support/bed.ts";
import { Document } from "./support/document.ts";

const run = promisify(execFile);
const page = (name: string) => readFile(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), "utf8");

interface Block {
  readonly language: string;
  readonly text: string;
}

function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = "", body = ""]) => ({
    language,
    text: body,
  }));
}

const MARK = "=== end of a block ===";
const TOKEN = "token-of-the-documentation";

/** Runs the page's commands, one after the other in one shell. @returns what each block printed */
async function runCommands(blocks: readonly Block[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "bucketline-docs-"));
  const sha256 = createHash("sha256").update(TOKEN).digest("hex");
  const bed = await Bed.open({ server: { auth: { tokens: [{ name: "docs", sha256, scopes: ["admin"] }] } } });
  bed.buckets.create("my-bucket");
  for (const name of ["a.jpg", "b.jpg", "c.txt"])
    await bed.write(`photos/${name}`, name === "c.txt" ? "txt" : "a jpeg");
  const commands = blocks.map(({ text }) => `${text.replaceAll("/srv", bed.root)}\nprintf '\\n%s\\n' '${MARK}'\n`);
  try {
    const { stdout } = await run("bash", ["-euo", "pipefail", "-c", commands.join("\n")], {
      cwd: folder,
      env: { PATH: process.env.PATH, URL: bed.url, TOKEN },
    });
    return stdout.replaceAll(bed.root, "/srv").split(`\n${MARK}\n`).slice(0, -1);
  } finally {
    await bed.close();
    await rm(folder, { recursive: true });
  }
}

/** "…" stands for anything; as the name of a field, for any other fields; as an item, for any other items. */
function expectLike(found: unknown, shown: unknown, where: string): void {
  if (shown === "…") return;
  if (typeof shown === "string" && shown.includes("…")) {
    expect(found, where).toMatch(patternOf(shown));
  } else if (Array.isArray(shown)) {
    const open = shown.at(-1) === "…";
    const items = open ? shown.slice(0, -1) : shown;
    expect(found, where).toBeInstanceOf(Array);
    if (!open) expect(found, where).toHaveLength(items.length);
    for (const [index, item] of items.entries()) expectLike((found as unknown[])[index], item, `${where}[${index}]`);
  } else if (typeof shown === "object" && shown !== null) {
    const { "…": open, ...fields } = shown as Record<string, unknown>;
    if (open === undefined) expect(Object.keys(found as object).sort(), where).toEqual(Object.keys(fields).sort());
    for (const [name, field] of Object.entries(fields))
      expectLike((found as Record<string, unknown>)[name], field, `${where}.${name}`);
  } else expect(found, where).toEqual(shown);
}

function patternOf(shown: string): RegExp {
  const parts = shown.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

/** Each line that is shown is there, in this order. */
function expectLines(output: string, shown: string, where: string): void {
  const left = output.split(/\r?\n|(?<=\})(?=\{)/);
  for (const line of shown.trimEnd().split("\n")) {
    const at = left.findIndex((candidate) => patternOf(line).test(candidate));
    expect(at, `${where}: "${line}" in\n${left.join("\n")}`).toBeGreaterThanOrEqual(0);
    left.splice(0, at + 1);
  }
}

describe("docs/http-api.md", () => {
  test("its commands do what it says", async () => {
    const blocks = blocksOf(await page("http-api.md"));
    const commands = blocks.filter(({ language }) => language === "sh");
    const outputs = await runCommands(commands);
    expect(outputs).toHaveLength(commands.length);
    let compared = 0;
    for (const [index, block] of blocks.entries()) {
      if (block.language !== "json" && block.language !== "text") continue;
      const before = blocks[index - 1] as Block;
      expect(before.language, block.text).toBe("sh");
      const output = outputs[commands.indexOf(before)] as string;
      const where = before.text.trim().slice(0, 80);
      if (block.language === "json") expectLike(JSON.parse(output), JSON.parse(block.text), where);
      else expectLines(output, block.text, where);
      compared++;
    }
    expect(compared).toBeGreaterThan(10);
  });

  test("its table has every route of the document, with its scope, and no other", async () => {
    const text = await page("http-api.md");
    const rows = [...text.matchAll(/^\| `([A-Z]+ \/[^`]*)` \| (\w+) \|/gm)].map(
      ([, route, scope]) => `${route} ${scope}`,
    );
    const sha256 = createHash("sha256").update(TOKEN).digest("hex");
    const bed = await Bed.open({ server: { auth: { tokens: [{ name: "docs", sha256, scopes: ["admin"] }] } } });
    try {
      const { routes } = await Document.of(bed, TOKEN);
      const documented = routes.map(({ method, path, operation }) => {
        const scope = /Needs the scope `(\w+)`/.exec(operation.description ?? "")?.[1] ?? "open";
        return `${method} ${path.replace("/api/v1", "")} ${scope}`;
      });
      const pages = ["/", "/openapi.json", "/docs", "/redoc"].map((path) => `GET ${path} read`);
      expect([...rows].sort()).toEqual([...documented, ...pages].sort());
    } finally {
      await bed.close();
    }
  });
});

test.each([
  ["Of the plugin and of", "options.ts", "HttpOptions"],
  ["Of `createServer()` and `createRequestListener()`", "app.ts", "AppOptions"],
  ["Of `createServer()` only", "server.ts", "ServerOptions"],
])("docs/http-api.md names every option: %s", async (words, file, name) => {
  const [, section = ""] = (await page("http-api.md")).split(`\n${words}`);
  const table = section.split("\n\n")[1] ?? "";
  const named = table
    .split("\n")
    .slice(2)
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, option]) => option));
  const source = await readFile(fileURLToPath(new URL(`../src/${file}`, import.meta.url)), "utf8");
  const [, body = ""] = source.split(new RegExp(`^export interface ${name} .*\\{$`, "m"));
  const declared = [...(body.split("\n}")[0] ?? "").matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, option]) => option);
  expect(declared.length).toBeGreaterThan(2);
  expect([...named].sort()).toEqual([...declared].sort());
});

describe("docs/errors.md", () => {
  test("has every code that only HTTP knows, with its status and remedy", async () => {
    const text = await page("errors.md");
    const rows = [...text.matchAll(/^\| (\d{3}) \| `([A-Z0-9_]+)` \| (.*) \|$/gm)].map(([, status, code, remedy]) => [
      code,
      [Number(status), remedy],
    ]);
    expect(Object.fromEntries(rows)).toEqual(HTTP_ERRORS);
  });

  test("says with which status every other code is answered", async () => {
    const text = await page("errors.md");
    const said = [...text.matchAll(/^\| (\d{3}) \| ((?:`[A-Z0-9_]+`(?:, )?)+) \|$/gm)].flatMap(
      ([, status, codes = ""]) => codes.split(", ").map((code) => [code.replaceAll("`", ""), Number(status)]),
    );
    const others = Object.keys(ERRORS).filter((code) => statusOf(code as ErrorCode) !== 500);
    expect(Object.fromEntries(said)).toEqual(
      Object.fromEntries(others.map((code) => [code, statusOf(code as ErrorCode)])),
    );
  });
});
