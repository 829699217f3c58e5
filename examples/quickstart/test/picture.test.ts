import { stripVTControlCharacters } from "node:util";
import type { Progress } from "@bucketline/core";
import { describe, expect, test } from "vitest";
import { bytes, count, duration, printable } from "../src/format.ts";
import { progressBlock, progressLine } from "../src/picture.ts";

const progress: Progress = {
  uploadId: "u",
  state: "IN_PROGRESS",
  filesTotal: 1204,
  filesUploaded: 812,
  filesFailed: 3,
  filesSkipped: 0,
  filesPending: 389,
  bytesTotal: 12_900_000,
  bytesUploaded: 8_100_000,
  fraction: 0.6279,
  rate: 11_200_000,
  etaSeconds: 7,
};

const flights = [
  { path: "big.bin", size: 300_000_000, bytes: 135_000_000 },
  { path: `deep/${"folder/".repeat(30)}name.txt`, size: 1_200, bytes: 0 },
  { path: "写真/とても長い名前のファイルです/\u001b[31mred\n.jpg", size: 5_000, bytes: 0 },
  ...["a", "b", "c", "d"].map((path) => ({ path, size: 1, bytes: 0 })),
];

/** A generous idea of what a terminal makes of a line. */
function columns(line: string): number {
  return [...line].reduce((sum, character) => sum + (character < "\u1100" || "█░…".includes(character) ? 1 : 2), 0);
}

describe("progress", () => {
  test("as one line", () => {
    expect(progressLine(progress, false)).toBe(
      "62 %, 8.1 MB of 12.9 MB, 812 of 1,204 files, 3 failed, 11.2 MB/s, 7 s left",
    );
    expect(progressLine({ ...progress, rate: 0, etaSeconds: null, filesFailed: 0 }, true)).toBe(
      "62 %, 8.1 MB of 12.9 MB, 812 of 1,204 files, still scanning",
    );
  });

  test("as a block: a bar, the figures, five files and how many more", () => {
    const block = progressBlock({ progress, flights, scanning: false }, 120).map(stripVTControlCharacters);
    expect(block).toHaveLength(7);
    expect(block[0]).toMatch(/^█{25}░{15} {2}62 % {2}8\.1 MB of 12\.9 MB {2}812 of 1,204 files/);
    expect(block[1]).toBe("  big.bin  45 % of 300.0 MB");
    expect(block[2]).toMatch(/^ {2}….*folder\/name\.txt {2}1\.2 kB$/);
    expect(block[3]).toContain("?[31mred?.jpg");
    expect(block[6]).toBe("  and 2 more");
  });

  test.each([1, 5, 8, 12, 20, 30, 47, 60, 79, 119, 200])("never wider than %i columns", (width) => {
    for (const scanning of [false, true]) {
      for (const line of progressBlock({ progress, flights, scanning }, width)) {
        expect(columns(stripVTControlCharacters(line))).toBeLessThanOrEqual(width);
      }
    }
    for (const line of progressBlock({ progress: undefined, flights: [], scanning: true }, width)) {
      expect(columns(line)).toBeLessThanOrEqual(width);
    }
  });
});

describe("figures", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [999_949, "999.9 kB"],
    [999_999, "1.0 MB"],
    [314_572_800, "314.6 MB"],
    [5e15, "5.0 PB"],
  ])("%i bytes", (number, text) => expect(bytes(number)).toBe(text));

  test.each([
    [0.4, "0 s"],
    [59.6, "1 min 0 s"],
    [200, "3 min 20 s"],
    [7_500, "2 h 5 min"],
  ])("%d seconds", (seconds, text) => expect(duration(seconds)).toBe(text));

  test("plurals and thousands", () => {
    expect([count(0, "file"), count(1, "file"), count(1_234_567, "file")]).toEqual([
      "0 files",
      "1 file",
      "1,234,567 files",
    ]);
  });

  test("nothing in a name is a command to the terminal", () => {
    expect(printable("a\u001b]0;title\u0007b\u202ec\u0085d")).toBe("a?]0;title?b?c?d");
  });
});
