import { expect, test } from "vitest";
import { filterReason } from "../src/filters.ts";
import { facts, SPEC } from "./support/records.ts";

const now = 1_000_000;
const aged = (size: number, age: number) => ({ ...facts(size), mtimeNs: BigInt(now - age) * 1_000_000n });

test.each([
  ["no limits", {}, 0, 0, undefined],
  ["minSize, at it", { minSize: 10 }, 10, 0, undefined],
  ["minSize, below", { minSize: 10 }, 9, 0, "FILE_FILTERED"],
  ["maxSize, at it", { maxSize: 10 }, 10, 0, undefined],
  ["maxSize, above", { maxSize: 10 }, 11, 0, "FILE_FILTERED"],
  ["maxSize 0, an empty file", { maxSize: 0 }, 0, 0, undefined],
  ["maxSize 0, a byte", { maxSize: 0 }, 1, 0, "FILE_FILTERED"],
  ["minAge, at it", { minAge: 50 }, 1, 50, undefined],
  ["minAge, younger", { minAge: 50 }, 1, 49, "FILE_FILTERED"],
  ["minAge 0, from the future", { minAge: 0 }, 1, -5, "FILE_FILTERED"],
  ["maxAge, at it", { maxAge: 50 }, 1, 50, undefined],
  ["maxAge, older", { maxAge: 50 }, 1, 51, "FILE_FILTERED"],
] as const)("%s", (_, limits, size, age, code) => {
  expect(filterReason({ ...SPEC, ...limits }, aged(size, age), now)?.code).toBe(code);
});
