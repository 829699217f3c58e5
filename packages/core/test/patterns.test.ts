import picomatch from "picomatch";
import { describe, expect, test } from "vitest";
import { compilePatterns } from "../src/patterns.ts";
import { type Dice, forSeeds } from "./support/random.ts";

const compile = (pattern: string | string[], exclude: string | string[] = [], dot = false) =>
  compilePatterns({ pattern: [pattern].flat(), exclude: [exclude].flat(), dot });
const code = (pattern: string) => {
  try {
    compile(pattern);
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return "accepted";
};

describe("includes", () => {
  test.each<[string, string[], string[]]>([
    ["**", ["a", "a/b/c"], [".a", "a/.b", ".a/b"]],
    ["**/*.{jpg,jpeg,png}", ["a.jpg", "x/y.png", "x/y/z.jpeg"], ["jpg", "a.gif", ".jpg", ".x/a.jpg"]],
    [
      "photos/20*/**/IMG_*.jpg",
      ["photos/2024/IMG_1.jpg", "photos/20/a/b/IMG_.jpg"],
      ["photos/1999/IMG_1.jpg", "photos/IMG_1.jpg"],
    ],
    ["!(tmp)/**", ["a/b", "tmpx/b", "xtmp/b/c"], ["tmp/a", "a", ".git/x"]],
    ["**/node_modules/**", ["node_modules/a", "x/node_modules/y/z"], ["node_modules", "x/a"]],
    ["a/**/b/**/c/*", ["a/b/c/x", "a/1/2/b/3/c/x"], ["a/c/x", "a/b/c", "a/b/c/d/e"]],
    ["photos/", ["photos/a", "photos/x/y"], ["photos", "photosx/a"]],
    ["./a/*", ["a/x"], ["x"]],
    ["*", ["a"], ["a/b", ".a"]],
    [".*", [".a"], ["a"]],
    ["\\.git/**", [".git/x"], ["git/x"]],
    ["{a,}.git/x", [".git/x", "a.git/x"], ["b.git/x"]],
    ["{a/b,c}/*.js", ["a/b/x.js", "c/x.js"], ["a/x.js"]],
    ["x{1..3}", ["x1", "x3"], ["x4", "x"]],
    ["x{08..11}", ["x08", "x09", "x10", "x11"], ["x8", "x12"]],
    ["{c..a}", ["a", "b", "c"], ["d"]],
    ["{0..10..5}", ["0", "5", "10"], ["1", "15"]],
    ["{a}{}", ["{a}{}"], ["a"]],
    ["[ab]x", ["ax", "bx"], ["cx", "abx"]],
    ["[!ab]x", ["cx"], ["ax", ".x"]],
    ["[[:digit:]]x", ["7x"], ["ax"]],
    ["[a\\]]x", ["]x", "ax"], ["\\x"]],
    ["[]a]x", ["]x", "ax"], ["bx"]],
    ["?", ["a"], ["ab", ".", ""]],
    ["\\*\\?\\[a\\]", ["*?[a]"], ["xya"]],
    ["Photos (old)/**", ["Photos (old)/a"], ["Photos old/a"]],
    ["@(a|b).txt", ["a.txt", "b.txt"], ["c.txt", "ab.txt"]],
    ["!(*.d).ts", ["a.ts"], ["a.d.ts", "a.js"]],
    ["log-+([0-9])", ["log-1", "log-123"], ["log-", "log-a"]],
    ["a\nb*", ["a\nb", "a\nbc"], ["a b"]],
    ["*é*", ["café!", "é"], ["cafe\u0301"]],
  ])("%s", (pattern, included, left) => {
    const filter = compile(pattern);
    expect(included.filter((path) => !filter.includes(path))).toEqual([]);
    expect(left.filter((path) => filter.includes(path))).toEqual([]);
  });

  test("dot lets wildcards match names that begin with one", () => {
    const filter = compile(["**/*.jpg", "x/**"], [], true);
    expect([".jpg", ".x/.a.jpg", "x/.y/z"].map(filter.includes)).toEqual([true, true, true]);
  });

  test("no pattern takes every file", () => {
    expect(compile([], [], true).includes("a/.b")).toBe(true);
  });

  test("agrees with picomatch on its common ground", async () => {
    const segments = [
      "*",
      "**",
      "a",
      "*a",
      "a*",
      "?",
      "??",
      "[ab]",
      "{a,b}",
      "*.{a,b}",
      "@(a|b)",
      "+(a)",
      "?(a)b",
      "*a*b*",
      ".a",
      "a.b",
      "{a/b,b}",
    ];
    const names = ["a", "b", "ab", "aab", ".a", ".b", "a.b", "b.a", "abc"];
    await forSeeds(1_500, (dice) => {
      const glob = dice.list(1, 4, () => dice.pick(segments)).join("/");
      // picomatch takes the file `a` for `a/**`, but not `ab` for `a*/**`; here neither is below the folder.
      if (glob.endsWith("/**")) return;
      const dot = dice.chance(0.3);
      const [ours, theirs] = [compile(glob, [], dot), picomatch(glob, { dot })];
      for (const path of dice.list(10, 10, () => dice.list(1, 4, () => dice.pick(names)).join("/"))) {
        expect(ours.includes(path), `${glob} ${path} dot=${dot}`).toBe(theirs(path));
      }
    });
  });
});

describe("exclude", () => {
  test.each<[string, string[], string[]]>([
    ["node_modules", ["node_modules", "node_modules/a", "node_modules/a/b"], ["x/node_modules/a", "node_modules2"]],
    ["**/node_modules", ["node_modules/a", "x/node_modules/a/b"], ["x/a"]],
    ["**/node_modules/**", ["node_modules/a", "x/node_modules/a/b"], ["x/node_modules", "x/a"]],
    ["secrets/", ["secrets/a", "secrets/.x"], ["secrets2/a"]],
    ["*.tmp", ["a.tmp", ".b.tmp", "dir.tmp/keep"], ["x/a.tmp"]],
    ["**/.*", [".a", "x/.y/z"], ["x/y"]],
    ["**", ["a", "a/b"], []],
  ])("%s leaves out what it matches, and all below", (exclude, left, kept) => {
    const filter = compile("**", exclude, true);
    expect(left.filter((path) => filter.includes(path))).toEqual([]);
    expect(kept.filter((path) => !filter.includes(path))).toEqual([]);
  });

  test("a folder that holds nothing else is not entered", () => {
    expect(compile("**", "a/**").descends("a")).toBe(false);
    expect(compile("**", "a").descends("a/b")).toBe(false);
    expect(compile("**", "a/*").descends("a")).toBe(true);
  });
});

const SEGMENTS = [
  "*",
  "**",
  "a",
  "b",
  "a*",
  "*b",
  "?",
  "[^a]",
  "{a,.b}",
  "{a/b,b}",
  "@(a|.b)",
  "!(a)",
  "?(a).b",
  ".b",
  "\\.b",
  "*(.)b",
  "ab",
];
const NAMES = ["a", "b", "ab", ".b", "a.b"];

function glob(dice: Dice): string {
  return dice.list(1, 4, () => dice.pick(SEGMENTS)).join("/") + (dice.chance(0.1) ? "/" : "");
}

test("no folder is left out that holds an included file, and none yields a file that it excludes", async () => {
  await forSeeds(1_500, (dice) => {
    const [pattern, exclude] = [dice.list(1, 2, () => glob(dice)), dice.list(0, 2, () => glob(dice))];
    const dot = dice.chance(0.3);
    const filter = compile(pattern, exclude, dot);
    const fresh = (path: string) => compile(pattern, exclude, dot).includes(path);
    for (const path of dice.list(8, 8, () => dice.list(1, 4, () => dice.pick(NAMES)).join("/"))) {
      const folders = path
        .split("/")
        .slice(0, -1)
        .map((_, depth, all) => all.slice(0, depth + 1).join("/"));
      const reached = folders.every((folder) => filter.descends(folder));
      const shown = JSON.stringify({ pattern, exclude, dot, path });
      // The same whatever was asked before, and whether or not the way there was walked.
      expect(filter.includes(path), shown).toBe(fresh(path));
      if (fresh(path)) expect(reached, shown).toBe(true);
      const excluded = [...folders, path].some((part) =>
        exclude.some((one) => !one.endsWith("/") && compile(one, [], true).includes(part)),
      );
      if (excluded) expect(fresh(path), shown).toBe(false);
    }
  });
});

test("folders in which no name can match are not entered", () => {
  expect(compile("photos/20*/**").descends("photos/1999")).toBe(false);
  expect(compile("photos/20*/**").descends("photos/2024/x")).toBe(true);
  expect(compile("*.jpg").descends("a")).toBe(false);
  expect(compile("a/b.txt").descends("b")).toBe(false);
  expect(compile("**").descends(".git")).toBe(false);
  expect(compile("**/.git/config").descends(".git")).toBe(true);
});

describe("patterns that are refused", () => {
  test.each([
    "",
    " ",
    "/etc/*",
    "a\0b",
    "[a",
    "{a",
    "a/[b/c]",
    "[z-a]",
    "@(a",
    "@(a/b|c)",
    "a//b",
    "../x",
    "a/./b",
    "!a",
    "!**/x",
  ])("%j is invalid", (pattern) => {
    expect(code(pattern)).toBe("INVALID_PATTERN");
  });

  test.each([
    "+(a|aa)b",
    "+(+(a))",
    "*(*a)",
    "+(a*)b",
    "*a@(b|c)*d",
    "@(a|aa)".repeat(20),
    `${"?(a)".repeat(30)}${"a".repeat(30)}`,
    "{1..300}",
    `{a,b}/${"{a,b}".repeat(9)}`,
    `{${Array.from({ length: 200 }, (_, index) => index).join()}}${"*a".repeat(100)}`,
    "a".repeat(1_001),
  ])("%s is too expensive", (pattern) => {
    expect(code(pattern)).toBe("PATTERN_TOO_EXPENSIVE");
  });

  test("so are too many patterns", () => {
    const refused = expect.objectContaining({ name: "InputError", code: "PATTERN_TOO_EXPENSIVE" });
    expect(() => compile(Array.from({ length: 101 }, () => "a"))).toThrow(refused);
  });
});

test("what is accepted ends on paths made to stall a backtracking matcher", async () => {
  const pieces = [
    "*",
    "?",
    "**",
    "[ab]",
    "{a,b}",
    "+(a)",
    "*(a)",
    "!(b)",
    "!(*a)",
    "@(a|b)",
    "@(*a|a*)",
    "?(a)",
    "(a|aa)",
    "{1..9}",
    "a",
    "b",
    "/",
    "**/",
    "+",
    "(a+)+",
    "[ab]+",
  ];
  const hostile = [
    "a".repeat(4_096),
    `${"a".repeat(4_095)}b`,
    `${"a/".repeat(2_047)}b`,
    `${`${"a".repeat(255)}/`.repeat(15)}c`,
    `${"ab/".repeat(1_365)}c`,
  ];
  let accepted = 0;
  await forSeeds(300, (dice) => {
    const pattern = dice.list(1, 40, () => dice.pick(pieces)).join("");
    if (code(pattern) !== "accepted") return;
    accepted++;
    const filter = compile(pattern, [], true);
    for (const path of hostile) expect(typeof filter.includes(path)).toBe("boolean");
  });
  const { includes } = compile(["*a*a*a*a*a*a*a*b", "**/a/**/a/**/a/**/b", "*a*/*a*/*a*/*a*/b"]);
  expect(hostile.map(includes)).toEqual([false, true, true, false, false]);
  expect(accepted).toBeGreaterThan(20);
});
