import stringWidth from "string-width";
import { describe, expect, test } from "vitest";
import { wrapWords } from "../../src/output/columns.ts";
import { type Canvas, type Moment, progressBlock, progressLine } from "../../src/output/picture.ts";

const plain: Canvas["style"] = (_style, text) => text;
const canvas = (width: number, height = 24): Canvas => ({ width, height, isUnicode: true, style: plain });

const standing = {
  filesTotal: 1_234,
  filesUploaded: 617,
  filesFailed: 3,
  filesPending: 614,
  bytesTotal: 2_000_000_000,
  bytesUploaded: 1_000_000_000,
  fraction: 0.5,
  rate: 34_500_000,
  etaSeconds: 29,
};
const moment: Moment = {
  standing,
  flights: [
    { path: "videos/2026/holiday.mp4", size: 800_000_000, bytes: 400_000_000 },
    { path: "日本語/長い名前の動画ファイル👨.mp4", size: 90_000_000, bytes: 0 },
    { path: "evil\u001b[31m\nname", size: 1_000, bytes: 0 },
  ],
  isScanning: false,
  state: "",
};

describe("the block", () => {
  test("at 79 columns", () => {
    expect(progressBlock(moment, canvas(79))).toEqual([
      "━━━━━━━━━━━━━─────────────  50 %  1.0 GB of 2.0 GB  34.5 MB/s  29 s left",
      "617 of 1,234 files  3 failed",
      "  ━━━━━━──────  50 %  videos/2026/holiday.mp4                          800.0 MB",
      "  ────────────        日本語/長い名前の動画ファイル👨.mp4               90.0 MB",
      "  ────────────        evil\\x1b[31m\\nname                                 1.0 kB",
    ]);
  });

  test("at 39 columns", () => {
    expect(progressBlock(moment, canvas(39))).toEqual([
      "━━━━━━━━━━━━━━━━────────────────  50 %",
      "1.0 GB of 2.0 GB  29 s left",
      "617 of 1,234 files  3 failed",
      " 50 % videos/2026/holiday.mp4",
      "      …語/長い名前の動画ファイル👨.mp4",
      "      evil\\x1b[31m\\nname",
    ]);
  });

  test("in ASCII where the terminal knows no more", () => {
    const [head = "", , flight = ""] = progressBlock(moment, { ...canvas(79), isUnicode: false });
    expect(head).toMatch(/^\[#{12}-{12}\] {2}50 % {2}1\.0 GB/);
    expect(flight).toMatch(/^ {2}\[#{5}-{5}\] {2}50 % {2}videos/);
  });

  test("no line is wider than the terminal, and no block higher, whatever the size", () => {
    const flights = Array.from({ length: 20 }, (_, n) => ({
      path: `${"長".repeat(n * 3)}/${n}`,
      size: 10 ** n,
      bytes: 9,
    }));
    for (let width = 1; width <= 130; width++) {
      for (const height of [1, 2, 3, 5, 24]) {
        for (const state of ["", "stopping"]) {
          const lines = progressBlock({ ...moment, flights, isScanning: true, state }, canvas(width, height));
          expect(lines.length).toBeLessThanOrEqual(height);
          expect(Math.max(...lines.map((line) => stringWidth(line)))).toBeLessThanOrEqual(width);
        }
      }
    }
  });

  test("counts the files that have no line of their own", () => {
    const flights = Array.from({ length: 20 }, (_, n) => ({ path: `file-${n}`, size: 10, bytes: 0 }));
    const lines = progressBlock({ ...moment, flights }, canvas(79));
    expect(lines).toHaveLength(2 + 8);
    expect(lines.at(-1)).toBe("  and 13 more");
  });

  test("says that it is scanning before anything is known, and gives no time while it is", () => {
    expect(progressBlock({ standing: undefined, flights: [], isScanning: true, state: "" }, canvas(79))).toEqual([
      "scanning …",
    ]);
    expect(progressBlock({ ...moment, isScanning: true }, canvas(79)).join()).not.toContain("left");
  });

  test("failures are red, and nothing else is said by colour alone", () => {
    const styled: Canvas["style"] = (style, text) => (style === "red" ? `<${text}>` : text);
    expect(progressBlock(moment, { ...canvas(79), style: styled })[1]).toBe("617 of 1,234 files  <3 failed>");
  });
});

test("the line for logs", () => {
  expect(progressLine(moment)).toBe("50 %, 1.0 GB of 2.0 GB, 617 of 1,234 files, 3 failed, 34.5 MB/s, 29 s left");
  expect(progressLine({ ...moment, isScanning: true, state: "stopping" })).toBe(
    "50 %, 1.0 GB of 2.0 GB, 617 of 1,234 files, 3 failed, 34.5 MB/s, scanning, stopping",
  );
});

test("words are kept whole where they fit", () => {
  const indent = { first: "  ", rest: "    " };
  expect(wrapWords("one two three-four-five-six seven", 12, indent)).toBe(
    "  one two\n    three-four-five-six\n    seven",
  );
  expect(wrapWords("one two", Number.POSITIVE_INFINITY, indent)).toBe("  one two");
});
