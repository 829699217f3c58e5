import { describe, expect, test } from "vitest";
import { grownPartSize, partCount, partRange, planPartSize } from "../src/parts.ts";
import { forSeeds } from "./support/random.ts";

const MIB = 1024 ** 2;
const S3 = { minPartSize: 5 * MIB, maxPartSize: 5 * 1024 * MIB, maxParts: 10_000, maxPutSize: 5 * 1024 * MIB };

describe("planPartSize", () => {
  test.each([
    ["an empty file", 0, 5 * MIB, null],
    ["exactly the chunk size", 5 * MIB, 5 * MIB, null],
    ["one byte more", 5 * MIB + 1, 5 * MIB, 5 * MIB],
    ["a chunk size below the minimum", 6 * MIB, MIB, 5 * MIB],
    ["the most that 5 MiB parts take", 50_000 * MIB, 5 * MIB, 5 * MIB],
    ["one byte beyond", 50_000 * MIB + 1, 5 * MIB, 6 * MIB],
    ["larger than one put may be", 6 * 1024 * MIB, 8 * 1024 * MIB, 5 * 1024 * MIB],
    ["S3's largest object", 10_000 * 5 * 1024 * MIB, 5 * MIB, 5 * 1024 * MIB],
  ] as const)("%s", (_, size, chunk, expected) => {
    expect(planPartSize(size, chunk, S3)).toBe(expected);
  });

  test("a file beyond all parts is refused", () => {
    const refused = expect.objectContaining({ name: "InputError", code: "FILE_TOO_LARGE" });
    expect(() => planPartSize(10_000 * S3.maxPartSize + 1, 5 * MIB, S3)).toThrow(refused);
  });
});

describe("grownPartSize", () => {
  const alone = { memoryLimit: 128 * MIB, partsAtOnce: 4 };

  test.each([
    ["nothing is known of the connection", 5 * MIB, undefined, alone, 5 * MIB],
    ["it is slow", 5 * MIB, 1_000, alone, 5 * MIB],
    ["it carries 7 MiB in half a second", 5 * MIB, (7.5 * MIB) / 500, alone, 7 * MIB],
    ["it is very fast", 5 * MIB, MIB, alone, 8 * MIB],
    ["somebody wants larger ones", 64 * MIB, MIB, alone, 64 * MIB],
    ["there is little memory", 5 * MIB, MIB, { memoryLimit: 48 * MIB, partsAtOnce: 4 }, 6 * MIB],
    ["there is next to none", 5 * MIB, MIB, { memoryLimit: MIB, partsAtOnce: 4 }, 5 * MIB],
    ["the chunk size is odd", 5 * MIB + 1, 0, alone, 5 * MIB + 1],
  ] as const)("%s", (_, chunkSize, rate, room, expected) => {
    expect(grownPartSize(chunkSize, rate, room)).toBe(expected);
  });
});

test("parts cover a file without gap or overlap, within the store's limits", async () => {
  await forSeeds(300, (dice) => {
    const limits = {
      minPartSize: dice.int(1, 9),
      maxPartSize: dice.int(2 * MIB, 9 * MIB),
      maxParts: dice.int(1, 40),
      maxPutSize: dice.int(1, MIB),
    };
    const size = dice.int(1, limits.maxPartSize * limits.maxParts);
    const partSize = planPartSize(size, dice.int(1, 3 * MIB), limits);
    if (partSize === null) return expect(size).toBeLessThanOrEqual(limits.maxPutSize);
    const count = partCount(size, partSize);
    expect(count).toBeLessThanOrEqual(limits.maxParts);
    let end = 0;
    for (let number = 1; number <= count; number++) {
      const { start, length } = partRange(size, partSize, number);
      expect(start).toBe(end);
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThanOrEqual(limits.maxPartSize);
      end = start + length;
    }
    expect(end).toBe(size);
  });
});

test("an empty file has one part", () => {
  expect(partCount(0, 5)).toBe(1);
  expect(partRange(0, 5, 1)).toEqual({ start: 0, length: 0 });
});
