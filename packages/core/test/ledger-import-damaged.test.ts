import { describe, expect, test } from "vitest";
import { importLedger } from "../src/index.ts";
import {
  type Contents,
  contentsOf,
  expectNothingWhole,
  exported,
  fill,
  memoryStore,
  refusal,
  running,
} from "./support/ledgers.ts";
import { Dice } from "./support/random.ts";
import { file } from "./support/records.ts";

const replace = (lines: readonly string[], index: number, change: (line: string) => string) =>
  lines.map((line, at) => (at === index ? change(line) : line));

describe("a damaged export", () => {
  test.each<[string, (lines: string[]) => readonly (string | Uint8Array)[], RegExp]>([
    ["nothing at all", () => [], /empty/],
    ["no export", () => ["SQLite format 3\0"], /^Line 1 .* not JSON/],
    ["no export, but JSON", () => ['{"format":"other","version":1}\n'], /^Line 1 .*format must be "bucketline-ledger"/],
    ["JSON without a format", () => ["null\n"], /^Line 1 .*format/],
    [
      "version 0",
      (lines) => replace(lines, 0, (line) => line.replace('"version":1', '"version":0')),
      /^Line 1 .*version/,
    ],
    [
      "a version that is a text",
      (lines) => replace(lines, 0, (line) => line.replace('"version":1', '"version":"1"')),
      /^Line 1 .*version/,
    ],
    ["no header", (lines) => lines.slice(1), /^Line 1 .*format/],
    ["no last line", (lines) => lines.slice(0, -1), /cut off after line 6/],
    ["half a line at its end", (lines) => [lines.join("").slice(0, -20)], /^Line 7 .*not JSON/],
    ["a file's line missing", (lines) => lines.toSpliced(2, 1), /^Line 6 .*counts 3 files, but 2 came/],
    ["an upload's line missing", (lines) => lines.toSpliced(4, 1), /^Line 5 .*path order/],
    ["a line twice", (lines) => lines.toSpliced(3, 0, lines[2] ?? ""), /^Line 4 .*path order/],
    [
      "lines in another order",
      (lines) => lines.toSpliced(2, 2, lines[3] ?? "", lines[2] ?? ""),
      /^Line 4 .*path order/,
    ],
    ["an upload twice", (lines) => lines.toSpliced(4, 0, lines[1] ?? ""), /^Line 5 .*twice/],
    ["a file before its upload", (lines) => lines.toSpliced(1, 0, lines[2] ?? ""), /^Line 2 .*behind its upload/],
    ["something behind its end", (lines) => [...lines, "\n"], /^Line 8 .*behind/],
    ["two exports in a row", (lines) => [...lines, ...lines], /^Line 8 .*behind/],
    ["an empty line", (lines) => lines.toSpliced(2, 0, "\n"), /^Line 3 .*not JSON/],
    ["an unknown kind of line", (lines) => lines.toSpliced(2, 0, '{"owner":{}}\n'), /^Line 3 .*owner is unknown/],
    ["an empty object", (lines) => lines.toSpliced(2, 0, "{}\n"), /^Line 3 .*must hold/],
    ["a list", (lines) => lines.toSpliced(2, 0, "[]\n"), /^Line 3 .*must be an object/],
    ["parts of no file", (lines) => lines.toSpliced(2, 0, '{"upload":{},"parts":[]}\n'), /^Line 3 .*must hold/],
    [
      "an unknown state of an upload",
      (lines) => replace(lines, 1, (line) => line.replace("IN_PROGRESS", "ASLEEP")),
      /^Line 2 .*upload\.state/,
    ],
    [
      "an unknown state of a file",
      (lines) => replace(lines, 2, (line) => line.replace("PENDING", "LOST")),
      /^Line 3 .*file\.state must be .*not "LOST"/,
    ],
    [
      "an unknown field",
      (lines) => replace(lines, 2, (line) => line.replace('"size"', '"length"')),
      /^Line 3 .*file\.length is unknown/,
    ],
    [
      "a field missing",
      (lines) => replace(lines, 2, (line) => line.replace('"size":10,', "")),
      /^Line 3 .*file\.size must be .*not missing/,
    ],
    [
      "a size that is a text",
      (lines) => replace(lines, 2, (line) => line.replace('"size":10', '"size":"10"')),
      /^Line 3 .*file\.size/,
    ],
    [
      "a size below 0",
      (lines) => replace(lines, 2, (line) => line.replace('"size":10', '"size":-10')),
      /^Line 3 .*file\.size/,
    ],
    [
      "a size beyond 2^53",
      (lines) => replace(lines, 2, (line) => line.replace('"size":10', '"size":9007199254740993')),
      /^Line 3 .*file\.size/,
    ],
    [
      "a time that is a number",
      (lines) => replace(lines, 2, (line) => line.replace(/"mtimeNs":"(\d+)"/, '"mtimeNs":$1')),
      /^Line 3 .*file\.mtimeNs/,
    ],
    [
      "a bad checksum",
      (lines) => replace(lines, 3, (line) => line.replace("crc32:00000001", "crc32:zzzzzzzz")),
      /^Line 4 .*parts\[0\]\.checksum/,
    ],
    [
      "part 0",
      (lines) => replace(lines, 3, (line) => line.replace('"partNumber":1', '"partNumber":0')),
      /^Line 4 .*partNumber/,
    ],
    [
      "parts in another order",
      (lines) => replace(lines, 3, (line) => line.replace('"partNumber":1', '"partNumber":3')),
      /^Line 4 .*order of their numbers/,
    ],
    [
      "parts without a transfer",
      (lines) => replace(lines, 3, (line) => line.replace(/"transfer":\{[^}]*\}/, '"transfer":null')),
      /^Line 4 .*need a transfer/,
    ],
    [
      "an unknown reason",
      (lines) => replace(lines, 1, (line) => line.replace('"reason":null', '"reason":{"code":"NO_LUCK","message":""}')),
      /^Line 2 .*reason\.code/,
    ],
    [
      "another file's size, well formed",
      (lines) => replace(lines, 2, (line) => line.replace('"size":10', '"size":11')),
      /^Line 7 .*checksum differs/,
    ],
    [
      "another time in its header",
      (lines) => replace(lines, 0, (line) => line.replace("1234", "1235")),
      /^Line 7 .*checksum differs/,
    ],
    ["other line ends", (lines) => lines.map((line) => line.replace("\n", "\r\n")), /^Line 7 .*checksum differs/],
    [
      "bytes that are no UTF-8",
      (lines) => [Buffer.from(lines.join("").replace("a.txt", "a\xff"), "latin1")],
      /^Line \d .*not UTF-8/,
    ],
    [
      "a character cut off at its end",
      (lines) => [Buffer.from(lines.join("")), Buffer.from([0xf0, 0x9f])],
      /^Line 8 .*not UTF-8/,
    ],
    ["chunks that are neither text nor bytes", () => [7 as unknown as string], /neither text nor bytes/],
    ["a line without an end", () => Array.from({ length: 40 }, () => "x".repeat(2 ** 20)), /^Line 1 .*longer/],
  ])("%s: refused, and nothing is changed", async (_, damage, message) => {
    const chunks = damage(await exported());
    const [checked, streamed] = [await memoryStore(), await memoryStore()];
    const bystander: Contents = [
      { upload: { ...running(), id: "w" }, files: [{ file: file({ uploadId: "w" }), parts: [] }] },
    ];
    await fill(checked, bystander);
    const error = await refusal(importLedger(checked, () => chunks));
    expect(error).toMatchObject({
      name: "ExportError",
      code: "EXPORT_INVALID",
      message: expect.stringMatching(message),
    });
    expect(await contentsOf(checked)).toEqual(bystander);
    expect(await refusal(importLedger(streamed, chunks))).toMatchObject({ message: error.message });
    await expectNothingWhole(streamed);
  });

  test("a newer version: refused with a code of its own", async () => {
    const lines = replace(await exported(), 0, () => '{"format":"bucketline-ledger","version":2,"more":true}\n');
    const target = await memoryStore();
    expect(await refusal(importLedger(target, lines))).toMatchObject({ code: "EXPORT_NEWER" });
    expect(await contentsOf(target)).toEqual([]);
  });

  test("any one bit: refused", async () => {
    const bytes = Buffer.from((await exported()).join(""));
    const dice = new Dice(11);
    for (let round = 0; round < 400; round++) {
      const damaged = Buffer.from(bytes);
      const at = dice.int(0, bytes.length - 1);
      damaged[at] = (bytes[at] as number) ^ (1 << dice.int(0, 7));
      const target = await memoryStore();
      const error = await refusal(importLedger(target, () => [damaged])).catch((cause: unknown) => {
        throw new Error(`byte ${at} as ${damaged[at]} was let pass`, { cause });
      });
      expect(error.code).toMatch(/^EXPORT_/);
      expect(await contentsOf(target)).toEqual([]);
    }
  });

  test("cut off anywhere: refused", async () => {
    const text = (await exported()).join("");
    for (let length = 0; length < text.length - 1; length += 13) {
      const target = await memoryStore();
      expect((await refusal(importLedger(target, [text.slice(0, length)]))).code).toBe("EXPORT_INVALID");
      await expectNothingWhole(target);
    }
    // Without the last line's end, nothing is missing.
    expect(await importLedger(await memoryStore(), [text.slice(0, -1)])).toMatchObject({ files: 3 });
  });

  test("a source that breaks: its error comes through, and nothing is whole", async () => {
    const lines = await exported();
    const target = await memoryStore();
    async function* broken() {
      yield* lines.slice(0, 5);
      throw new TypeError("unplugged");
    }
    await expect(importLedger(target, broken())).rejects.toThrow("unplugged");
    await expectNothingWhole(target);
  });

  test("the source is closed when the import is refused", async () => {
    let closed = false;
    async function* source() {
      try {
        yield* ["nonsense\n", "more\n"];
      } finally {
        closed = true;
      }
    }
    await refusal(importLedger(await memoryStore(), source()));
    expect(closed).toBe(true);
  });
});
