import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bashScript } from "../src/completion/bash.ts";
import { fishScript } from "../src/completion/fish.ts";
import { modelOf } from "../src/completion/model.ts";
import { zshScript } from "../src/completion/zsh.ts";
import { COMMANDS, makeProgram } from "../src/program.ts";
import { Bed, FROM_SOURCES, MAIN } from "./support/program.ts";

const run = promisify(execFile);
const PROBE = fileURLToPath(new URL("support/offered.zsh", import.meta.url));
const model = modelOf(makeProgram(() => {}));
let bed: Bed;

beforeAll(async () => {
  bed = await Bed.open();
  await bed.write("photos/a.jpg", "a");
  await bed.write("my music/b.ogg", "b");
  await bed.write("tokens.json", "[]");
  await bed.json(["register", "photos", "s3://my-bucket", "--id", "holiday"]);
});
afterAll(async () => await bed.close());

async function isInstalled(shell: string): Promise<boolean> {
  return await run(shell, ["--version"]).then(
    () => true,
    () => false,
  );
}

/** What bash offers for the last word of the line. */
async function offered(...words: string[]): Promise<string[]> {
  const script = `${bashScript(model)}
bucketline() { "$NODE" ${FROM_SOURCES.join(" ")} "${MAIN}" "$@"; }
COMP_WORDS=(bucketline "$@"); COMP_CWORD=$#
_bucketline
[ \${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await run("bash", ["--norc", "-c", script, "bash", ...words], {
    cwd: bed.folder,
    env: { ...bed.environment, NODE: process.execPath },
  });
  expect(stderr).toBe("");
  return stdout.split("\n").filter(Boolean);
}

describe("in bash", () => {
  test.each([
    [["pl"], ["plan"]],
    [["re"], ["register", "resume", "retry"]],
    [["ls", "--st"], ["--state"]],
    [["ls", "--state", "FA"], ["FAILED"]],
    [["ls", "-s", "PA"], ["PAUSED"]],
    [["--log-level", "de"], ["debug"]],
    [["ls", "--log-level", "wa"], ["warn"]],
    [["ls", "--js"], ["--json"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish"],
    ],
    [["help", "st"], ["status"]],
    [["--json", "stat"], ["status"]],
    [["--config", "x.yaml", "comp"], ["completion"]],
    // As bash itself takes --config=x.yaml and http://x:9 apart.
    [["--config", "=", "x.yaml", "comp"], ["completion"]],
    [["ls", "--state", "=", "FA"], ["FAILED"]],
    [
      ["ls", "--log-level", "="],
      ["trace", "debug", "info", "warn", "error", "fatal", "silent"],
    ],
    [["sync", "--endpoint-url", "http", ":", "//x", ":", "9", "pho"], ["photos"]],
    [["--endpoint-url", "=", "http", ":", "//x", "sync", "--dr"], ["--dry-run"]],
    [["sync", "pho"], ["photos"]],
    [["sync", "--pattern", "**", "my"], ["my music"]],
    [["sync", "photos", "s3"], []],
    [["sync", "--id", "ho"], []],
    [["serve", "--tokens-file", "tok"], ["tokens.json"]],
    [["pause", "ho"], ["holiday"]],
    [["drop", "pho"], ["photos"]],
    [["drop", "photos", "s3://b", "--rete"], ["--retention"]],
    [["decrypt", "tok"], ["tokens.json"]],
    [["decrypt", "a", "b", "--key-file", "tok"], ["tokens.json"]],
    [["files", "holiday", "a"], []],
  ])("%j is completed", async (words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });

  test("the option of one command is not offered for another", async () => {
    expect(await offered("sync", "--dr")).toEqual(["--dry-run"]);
    expect(await offered("scan", "--dr")).toEqual([]);
  });

  test("an empty word gets every command", async () => {
    expect(await offered("")).toEqual([...COMMANDS.map(({ name }) => name), "help"]);
  });
});

test("no option takes a value for one command and none for another", () => {
  const kinds = new Map<string, Set<boolean>>();
  for (const { short, long, value } of [...model.options, ...model.commands.flatMap(({ options }) => options)]) {
    for (const spelling of [short, long]) {
      if (spelling === undefined) continue;
      kinds.set(spelling, (kinds.get(spelling) ?? new Set()).add(value !== undefined));
    }
  }
  expect([...kinds].filter(([, kind]) => kind.size > 1)).toEqual([]);
});

/** The script's quoted words, as zsh and fish read single quotes; what is outside of them must have no apostrophe. */
function outsideQuotes(script: string, quoted: RegExp): string {
  return script.replace(/^\s*#.*$/gm, "").replace(quoted, "");
}

describe("in zsh", () => {
  const script = zshScript(model);

  test("every command has its options and operands", () => {
    for (const { name, options, operands } of model.commands) {
      const part = script.split(`    ${name})\n`)[1]?.split(";;")[0] ?? "";
      for (const { long, value } of options) expect(part, name).toContain(`${long}${value === undefined ? "" : "="}[`);
      for (const [index] of operands.entries()) expect(part, name).toContain(`'${index + 1}:`);
    }
  });

  test("all that is quoted ends", () => {
    expect(outsideQuotes(script, /'[^']*'/g)).not.toContain("'");
    // Each description is in brackets of its own: one inside would end it.
    for (const [, text = ""] of script.matchAll(/'\*?-[^[']*\[((?:[^'\]]|'\\'')*)\]/g))
      expect(text).not.toMatch(/[[\]]/);
  });

  describe("at work", () => {
    let hasZsh = false;
    beforeAll(async () => {
      hasZsh = await isInstalled("zsh");
    });

    beforeEach((context) => context.skip(!hasZsh, "zsh is not installed"));

    /** What zsh offers at the end of the line, in a line editor in a terminal. */
    async function offered(line: string): Promise<string[]> {
      const answer = join(bed.folder, "answer");
      const { stdout, stderr } = await run("zsh", ["-f", PROBE], {
        cwd: bed.folder,
        timeout: 60_000,
        env: {
          ...bed.environment,
          SCRIPT: script,
          RUN: [process.execPath, ...FROM_SOURCES, MAIN].join(" "),
          LINE: line,
          ANSWER: answer,
        },
      });
      expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
      return [...new Set((await readFile(answer, "utf8")).split("\n").filter(Boolean))];
    }

    test.each([
      ["pl", ["plan"]],
      ["-q re", ["register", "resume", "retry"]],
      ["--json stat", ["status"]],
      ["--config x.yaml comp", ["completion"]],
      ["--config=x.yaml comp", ["completion"]],
      ["help st", ["status"]],
      ["completion ", ["bash", "zsh", "fish"]],
      ["ls --st", ["--state"]],
      ["ls --state FA", ["FAILED"]],
      ["ls --state=FA", ["FAILED"]],
      ["ls -s PA", ["PAUSED"]],
      ["ls --log-level wa", ["warn"]],
      ["sync --dr", ["--dry-run"]],
      ["sync --pattern ls --dr", ["--dry-run"]],
      ["sync --pattern=ls --dr", ["--dry-run"]],
      ["scan --dr", []],
      ["sync pho", ["photos"]],
      ["sync --pattern '**' my", ["my\\ music"]],
      ["sync photos pl", []],
      ["serve --tokens-file tok", ["tokens.json"]],
      ["serve --tokens-file=tok", ["tokens.json"]],
      ["pause ho", ["holiday"]],
    ])("%j is completed", async (line, expected) => {
      expect(await offered(`bucketline ${line}`)).toEqual(expected);
    });
  });
});

describe("in fish", () => {
  const script = fishScript(model);

  test("every command and option has its line", () => {
    for (const { name, options } of model.commands) {
      expect(script).toContain(`-a ${name} -d '`);
      for (const { long } of options)
        expect(script).toContain(`'__bucketline_uses ${name}' ${spelledShort(options, long)}-l ${long.slice(2)} -d '`);
    }
  });

  let hasFish = false;
  beforeAll(async () => {
    hasFish = await isInstalled("fish");
  });

  beforeEach((context) => context.skip(!hasFish, "fish is not installed"));

  /** What fish offers at the end of the line. */
  async function offered(line: string): Promise<string[]> {
    const program = `function bucketline; $NODE ${FROM_SOURCES.join(" ")} ${MAIN} $argv; end`;
    const { stdout, stderr } = await run("fish", ["--no-config", "-c", `${program}\n${script}\ncomplete -C "$LINE"`], {
      cwd: bed.folder,
      env: { ...bed.environment, NODE: process.execPath, LINE: line },
    });
    expect(stderr).toBe("");
    return stdout.split("\n").flatMap((one) => one.split("\t")[0] || []);
  }

  test.each([
    ["pl", ["plan"]],
    ["--json stat", ["status"]],
    ["--config x.yaml comp", ["completion"]],
    ["--config=x.yaml comp", ["completion"]],
    ["-q re", ["register", "resume", "retry"]],
    ["sync --pattern ls --dr", ["--dry-run"]],
    ["scan --dr", []],
    ["ls --state FA", ["FAILED"]],
    ["help st", ["status"]],
    ["sync photos pl", []],
    ["sync pho", ["photos/"]],
    ["pause ho", ["holiday"]],
  ])("%j is completed", async (line, expected) => {
    expect(await offered(`bucketline ${line}`)).toEqual(expected);
  });
});

function spelledShort(options: (typeof model.commands)[number]["options"], long: string): string {
  const short = options.find((option) => option.long === long)?.short;
  return short === undefined ? "" : `-s ${short.slice(1)} `;
}

test("the command prints the script of the shell that is named", async () => {
  for (const [shell, script] of [
    ["bash", bashScript(model)],
    ["zsh", zshScript(model)],
    ["fish", fishScript(model)],
  ] as const)
    expect(await bed.run(["completion", shell])).toEqual({ code: 0, stdout: script, stderr: "" });
});
