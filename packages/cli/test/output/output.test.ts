import { describe, expect, test } from "vitest";
import { jsonLine, makeOutput, type Output } from "../../src/output/output.ts";
import { printable, printableJson, printableLines } from "../../src/output/printable.ts";
import { bytes, duration, moment, percent } from "../../src/output/quantities.ts";
import { clip, printTable } from "../../src/output/table.ts";
import { hasColors, type Terminal } from "../../src/output/terminal.ts";

const HOSTILE = "a\u001b[2J\u009b1m\u0007\n\t\u202egpj\u2028\u200f\u{e0041}\ud800z";

describe("what comes from outside", () => {
  test("is shown with escapes for all that moves cursors or turns lines", () => {
    expect(printable(HOSTILE)).toBe("a\\x1b[2J\\x9b1m\\x07\\n\\t\\u{202e}gpj\\u{2028}\\u{200f}\\u{e0041}\\u{d800}z");
    expect(printable("Füße 日本 🎉")).toBe("Füße 日本 🎉");
    expect(printableLines("a\nb\u001b")).toBe("a\nb\\x1b");
  });

  test("stays what it is in JSON, which is harmless, too", () => {
    const json = printableJson(JSON.stringify({ path: HOSTILE }));
    expect(JSON.parse(json)).toEqual({ path: HOSTILE });
    expect(json).toMatch(/^[\x20-\x7e]*$/);
    expect(jsonLine({ path: "a\nb" })).toBe('{"path":"a\\nb"}\n');
  });
});

describe("colours", () => {
  test.each([
    [true, {}, undefined, true],
    [false, {}, undefined, false],
    [true, { NO_COLOR: "1" }, undefined, false],
    [true, { NO_COLOR: "" }, undefined, true],
    [true, { TERM: "dumb" }, undefined, false],
    [false, { FORCE_COLOR: "1" }, undefined, true],
    [true, { FORCE_COLOR: "0" }, undefined, false],
    [false, { FORCE_COLOR: "1", NO_COLOR: "1" }, undefined, true],
    [true, { FORCE_COLOR: "1" }, true, false],
  ])("terminal %s, %j, --no-color %s: %s", (isTerminal, environment, isPlain, expected) => {
    expect(hasColors(isTerminal, { environment, ...(isPlain && { isPlain }) })).toBe(expected);
  });
});

function recording(columns: number | undefined, choices = { isJson: false, isQuiet: false }) {
  const written: string[] = [];
  const terminal: Terminal = {
    isTerminal: columns !== undefined,
    hasColors: false,
    columns: columns ?? 80,
    write: (text) => void written.push(text),
    style: (_style, text) => text,
  };
  const output: Output = makeOutput(terminal, terminal, choices);
  return { output, text: () => written.join("") };
}

describe("a table", () => {
  const columns = [
    { title: "NAME", isFlexible: true },
    { title: "SIZE", align: "right" },
    { title: "PATH", isFlexible: true },
  ] as const;
  const rows = [
    ["日本語", "1", "a/very/long/path/that/does/not/fit.txt"],
    ["e\u001b", "1,000", "b"],
  ];

  test("is as wide as its cells where nobody looks", () => {
    const { output, text } = recording(undefined);
    printTable(output, columns, rows);
    expect(text()).toBe(
      "NAME     SIZE  PATH\n日本語      1  a/very/long/path/that/does/not/fit.txt\ne\\x1b   1,000  b\n",
    );
  });

  test("fits its terminal, with both ends of what is cut", () => {
    const { output, text } = recording(40);
    printTable(output, columns, rows);
    const lines = text().split("\n");
    expect(lines.map((line) => line.length).every((length) => length <= 40)).toBe(true);
    expect(lines[1]).toMatch(/^日本語 +1 {2}a\/very\/.*….*fit\.txt$/);
  });

  test.each([
    ["abcdef", 6, "abcdef"],
    ["abcdefg", 6, "abc…fg"],
    ["日本語日本語", 6, "日…語"],
    ["abc", 1, "…"],
    ["👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 5, "👨‍👩‍👧‍👦…👨‍👩‍👧‍👦"],
  ])("%s in %i is %s", (text, width, cut) => {
    expect(clip(text, width)).toBe(cut);
  });
});

test("quantities are written for people", () => {
  expect([0, 999, 1_000, 999_949, 999_999, 1.5e9].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "1.5 GB",
  ]);
  expect([0, 59.4, 60, 3_661, 90_000].map(duration)).toEqual(["0 s", "59 s", "1 min 0 s", "1 h 1 min", "1 d 1 h"]);
  expect([0, 0.999, 1].map(percent)).toEqual(["0 %", "99 %", "100 %"]);
  expect(moment(new Date(2026, 0, 2, 3, 4, 5).getTime())).toBe("2026-01-02 03:04:05");
  expect(moment(Number.NaN)).toBe("?");
});

describe("what is written", () => {
  const say = (choices: { isJson: boolean; isQuiet: boolean }) => {
    const { output, text } = recording(undefined, choices);
    output.line("line");
    output.note("note");
    output.record({ record: 1 });
    output.error({ code: "A_CODE", message: "bad\u0007", remedy: "do this" });
    return text();
  };

  test.each([
    [{ isJson: false, isQuiet: false }, "line\nnote\nerror: bad\\x07\ndo this\n"],
    [{ isJson: false, isQuiet: true }, "line\nerror: bad\\x07\ndo this\n"],
    [
      { isJson: true, isQuiet: false },
      '{"record":1}\n{"error":{"code":"A_CODE","message":"bad\\u0007","remedy":"do this"}}\n',
    ],
  ])("with %j", (choices, expected) => {
    expect(say(choices)).toBe(expected);
  });
});
