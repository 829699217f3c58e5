import { describe, expect, test } from "vitest";
import { comparePaths, joinPath, sortPaths } from "../src/paths.ts";
import { type Dice, forSeeds } from "./support/random.ts";

const PIECES = [
  "a",
  "b",
  "/",
  ".",
  " ",
  "-",
  "0",
  "é",
  "\u07ff",
  "\u0800",
  "\ud7ff",
  "\ue000",
  "\uffff",
  "\ufffd",
  "😀",
  "\u{10ffff}",
  "\u{10000}",
];

function text(dice: Dice): string {
  return dice.list(0, 6, () => dice.pick(PIECES)).join("");
}

describe("comparePaths", () => {
  test("orders as the bytes of the UTF-8 form do", async () => {
    await forSeeds(2_000, (dice) => {
      const [a, b] = [text(dice), text(dice)];
      expect(Math.sign(comparePaths(a, b)), JSON.stringify([a, b])).toBe(
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      );
    });
  });

  test("is a total order with lone surrogates too", async () => {
    await forSeeds(500, (dice) => {
      const [a, b, c] = dice.list(3, 3, () => text(dice) + dice.pick(["\ud800", "\udfff", "\udc00x", ""])) as [
        string,
        string,
        string,
      ];
      expect(comparePaths(a, a)).toBe(0);
      expect(Math.sign(comparePaths(a, b))).toBe(-Math.sign(comparePaths(b, a)) || 0);
      expect(comparePaths(a, b) === 0).toBe(a === b);
      if (comparePaths(a, b) < 0 && comparePaths(b, c) < 0) expect(comparePaths(a, c)).toBeLessThan(0);
    });
  });
});

describe("sortPaths", () => {
  test("a folder stands where the paths below it do", () => {
    const keys = ["a/", "a.txt", "a b", "a-1", "a0", "a"];
    expect(sortPaths(keys)).toEqual(["a", "a b", "a-1", "a.txt", "a/", "a0"]);
  });

  test("agrees with the byte order for any names", async () => {
    await forSeeds(200, (dice) => {
      const names = [...new Set(dice.list(0, 30, () => text(dice)))];
      const expected = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(sortPaths(names)).toEqual(expected);
    });
  });
});

test("joinPath", () => {
  expect([joinPath("", "a"), joinPath("a/b", "c")]).toEqual(["a", "a/b/c"]);
});
