import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS, type Invocation, makeProgram } from "../src/program.ts";
import { Bed, FROM_SOURCES, linesOf, MAIN } from "./support/program.ts";

let bed: Bed;
beforeAll(async () => {
  bed = await Bed.open();
});
afterAll(async () => await bed.close());

/** The words of an example as a shell would have them, up to a pipe or a redirection. */
function wordsOf(line: string): string[] {
  const [command = ""] = line.split(/ [|>] /);
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");
}

function parse(words: readonly string[]): Invocation | undefined {
  let asked: Invocation | undefined;
  const program = makeProgram((invocation) => {
    asked = invocation;
  });
  for (const command of [program, ...program.commands]) command.configureOutput({ writeErr: () => {} });
  program.parse([...words], { from: "user" });
  return asked;
}

describe("help", () => {
  test("names every command", async () => {
    const { code, stdout } = await bed.run(["--help"]);
    expect(code).toBe(0);
    for (const { name, summary } of COMMANDS)
      expect(stdout).toMatch(new RegExp(`^  ${name} .*${summary.slice(0, 20)}`, "m"));
  });

  test("loads neither the library nor any other package than the parser", async () => {
    const hook = await bed.write(
      "loaded.mjs",
      `import { registerHooks } from "node:module";
import { appendFileSync } from "node:fs";
registerHooks({ load: (url, context, next) => { appendFileSync("loaded.txt", url + "\\n"); return next(url, context); } });`,
    );
    await promisify(execFile)(process.execPath, [...FROM_SOURCES, "--import", hook, MAIN, "sync", "--help"], {
      cwd: bed.folder,
    });
    const urls = (await readFile(join(bed.folder, "loaded.txt"), "utf8")).trim().split("\n");
    const outside = urls.filter(
      (url) => url.startsWith("file:") && !/\/packages\/cli\/(src|package\.json)|loaded\.mjs$/.test(url),
    );
    expect(urls.some((url) => url.endsWith("/program.ts"))).toBe(true);
    expect(outside.filter((url) => !url.includes("/node_modules/commander/"))).toEqual([]);
    expect(
      urls.filter((url) => /\/src\/(commands|assembly\/(?!shutdown)|output\/table)|\/http\/src\//.test(url)),
    ).toEqual([]);
  });

  test.each(COMMANDS)("of $name has examples that the command line takes", ({ name, examples }) => {
    for (const { line } of examples) {
      const asked = parse(wordsOf(line));
      expect(asked?.definition.name, line).toBe(name);
    }
  });

  test.each(COMMANDS.map(({ name }) => name))(
    "of %s can be asked for in two ways, and explains every option",
    async (name) => {
      const program = makeProgram(() => {});
      const command = program.commands.find((one) => one.name() === name);
      for (const option of command?.options ?? []) expect(option.description, option.flags).not.toBe("");
      let shown = "";
      for (const one of [program, ...program.commands]) one.configureOutput({ writeOut: (text) => (shown += text) });
      expect(() => program.parse([name, "--help"], { from: "user" })).toThrow("(outputHelp)");
      const first = shown;
      shown = "";
      expect(() => program.parse(["help", name], { from: "user" })).toThrow("(outputHelp)");
      expect(shown).toBe(first);
      expect(first).toContain("Examples:\n  # ");
    },
  );

  test("without a command goes to standard error and is a wrong usage", async () => {
    const { code, stdout, stderr } = await bed.run([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage: bucketline");
  });

  test("of the version is the package's", async () => {
    const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(await bed.run(["--version"])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });
});

describe("what cannot be used", () => {
  test.each([
    [["sinc", "a", "s3://b"], "Did you mean sync?"],
    [["ls", "--stat", "failed"], "Did you mean --state?"],
    [["sync", "a", "s3://b", "--chunksize", "1"], "Did you mean --chunk-size?"],
    [["ls", "--state", "lost"], "It is one of PENDING"],
    [["ls", "--limit", "many"], "It must be a whole number"],
    [["files", "x", "--limit", "0"], "It must be a whole number, 1 or more"],
    [["register", "a", "s3://b", "--priority", "1.5"], "It must be a whole number"],
    [["register", "a"], "missing required argument 'destination'"],
    [["pause", "a", "b"], "too many arguments"],
    [["completion", "tcsh"], "Allowed choices are bash, zsh, fish"],
  ])("%j is explained, with exit code 2 and nothing on standard output", async (args, says) => {
    const { code, stdout, stderr } = await bed.run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(says);
    expect(stderr).toContain("bucketline help COMMAND");
    expect(stderr).not.toContain("    at ");
  });

  test("with --json the error is JSON, too", async () => {
    const { code, stderr } = await bed.run(["sinc", "--json"]);
    expect(code).toBe(2);
    expect(linesOf(stderr)).toEqual([
      {
        error: {
          code: "USAGE",
          message: expect.stringContaining("unknown command 'sinc'"),
          remedy: expect.any(String),
        },
      },
    ]);
  });

  test("is shown harmless", async () => {
    const { stderr } = await bed.run(["ls\u001b]0;owned\u0007"]);
    expect(stderr).toContain("ls\\x1b]0;owned\\x07");
    expect(stderr).not.toContain("\u001b");
  });
});

describe("options", () => {
  test("that all commands take may stand before and behind the command", () => {
    for (const words of [
      ["--database-url", "json:a", "ls"],
      ["ls", "--database-url", "json:a"],
    ])
      expect(parse(words)?.flags).toEqual({ databaseUrl: "json:a" });
  });

  test("of settings reach the settings, and those of the command the command", () => {
    const words =
      "sync a s3://b -p *.jpg --pattern *.png --concurrency 9 --no-path-style --min-size 1KiB --max-age 2m --no-dot";
    const asked = parse(words.split(" "));
    expect(asked?.flags).toEqual({ concurrency: "9", pathStyle: false });
    expect(asked?.args).toEqual({
      folder: "a",
      destination: "s3://b",
      pattern: ["*.jpg", "*.png"],
      minSize: 1024,
      maxAge: 120_000,
      dot: false,
    });
  });

  test("that may be repeated gather their values", () => {
    expect(parse("serve --root /a --root /b --allowed-host x".split(" "))?.flags).toEqual({
      roots: ["/a", "/b"],
      allowedHosts: ["x"],
    });
  });
});
