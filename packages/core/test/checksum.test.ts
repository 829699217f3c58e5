import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { combineCrc32, crc32FromBase64, crc32Of, crc32ToBase64, formatCrc32, parseCrc32 } from "../src/checksum.ts";
import { forSeeds } from "./support/random.ts";

test("crc32 of the standard check string", () => {
  expect(formatCrc32(crc32Of(Buffer.from("123456789")))).toBe("crc32:cbf43926");
  expect(formatCrc32(crc32Of(Buffer.alloc(0)))).toBe("crc32:00000000");
});

test("checksums of pieces combine to that of the whole, whatever the cuts", async () => {
  await forSeeds(60, (dice) => {
    const bytes = randomBytes(dice.pick([0, 1, 2, 255, 4096, 100_001]));
    let combined = 0;
    let continued = 0;
    for (let start = 0; start < bytes.length; ) {
      const piece = bytes.subarray(start, start + dice.int(1, Math.max(1, bytes.length)));
      combined = combineCrc32(combined, crc32Of(piece), piece.length);
      continued = crc32Of(piece, continued);
      start += piece.length;
    }
    expect([combined, continued]).toEqual([crc32(bytes), crc32(bytes)]);
  });
});

test("lengths beyond 32 bits combine: zeros appended step by step and at once give the same", () => {
  const gib = 2 ** 30;
  let zeros = crc32(Buffer.alloc(1024));
  for (let length = 1024; length < 4 * gib; length *= 2) zeros = combineCrc32(zeros, zeros, length);
  const five = combineCrc32(zeros, combineCrc32(0, 0, 0), 0);
  expect(five).toBe(zeros);
  const a = crc32(Buffer.from("a"));
  const once = combineCrc32(combineCrc32(a, zeros, 4 * gib), zeros, 4 * gib);
  expect(combineCrc32(a, combineCrc32(zeros, zeros, 4 * gib), 8 * gib)).toBe(once);
});

test("forms convert back and forth", async () => {
  await forSeeds(50, (dice) => {
    const value = dice.int(0, 2 ** 32 - 1);
    const checksum = formatCrc32(value);
    expect(checksum).toMatch(/^crc32:[0-9a-f]{8}$/);
    expect(parseCrc32(checksum)).toBe(value);
    expect(crc32FromBase64(crc32ToBase64(checksum))).toBe(checksum);
  });
});

test.each(["", "AAAA", "AAAAAAA=", "y/Q5Jg==-3", "y/Q5Jg", "y/Q5Jh=="])("%j is no base64 of four bytes", (text) => {
  expect(crc32FromBase64(text)).toBeUndefined();
});
