import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { CheckStep } from "@bucketline/core";
import { describe, expect, it } from "vitest";
import { extensions, fileType, sizeLimit } from "../src/index.ts";
import { checkedFile } from "./support/rig.ts";

const invalid = expect.objectContaining({ code: "INVALID_PIPELINE" });

async function accepts(step: CheckStep, content: Uint8Array | string, path = "in/file"): Promise<boolean> {
  return (await step.check(checkedFile(Buffer.from(content), { path }))).accepted;
}

describe("sizeLimit", () => {
  it("accepts from min to max, both included", async () => {
    const step = sizeLimit({ min: 2, max: 4 });
    const accepted = await Promise.all([0, 1, 2, 3, 4, 5].map((size) => accepts(step, Buffer.alloc(size))));
    expect(accepted).toEqual([false, false, true, true, true, false]);
  });

  it("says the sizes", async () => {
    const result = await sizeLimit({ max: 4 }).check(checkedFile(Buffer.alloc(5)));
    expect(result).toEqual({ accepted: false, message: "The file has 5 bytes; at most 4 are allowed." });
  });

  it("refuses limits that make no sense", () => {
    expect(() => sizeLimit({})).toThrow(invalid);
    expect(() => sizeLimit({ min: 5, max: 4 })).toThrow(invalid);
    for (const max of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => sizeLimit({ max })).toThrow(invalid);
  });
});

describe("extensions", () => {
  const named = (step: CheckStep, paths: readonly string[]) =>
    Promise.all(paths.map((path) => accepts(step, "x", path)));

  it("allows by the end of the name, in whatever case", async () => {
    const step = extensions({ allow: ["jpg", ".TAR.GZ", "é"] });
    expect(await named(step, ["a.jpg", "b/A.JPG", "x.tar.gz", "X.Tar.Gz", "a.É"])).toEqual(Array(5).fill(true));
    const others = ["a.jpeg", "a.gz", "jpg", "a", "jpg/a", "a.jpg.exe", "a.xjpg", ".jpg"];
    expect(await named(step, others)).toEqual(Array(others.length).fill(false));
  });

  it("denies before it allows, and several parts by their last", async () => {
    const step = extensions({ allow: ["gz"], deny: ["tar.gz"] });
    expect(await named(step, ["a.gz", "a.b.gz", "a.tar.gz", "tar.gz"])).toEqual([true, true, false, true]);
    const programs = extensions({ deny: ["exe"] });
    const paths = ["a.exe", "a.pdf.EXE", "a.exe.", "a.exe. .", "a.exe ", "a.exe.txt", "exe", ".exe", "a"];
    expect(await named(programs, paths)).toEqual([false, false, false, false, false, true, true, true, true]);
  });

  it("knows names without an extension", async () => {
    const paths = ["README", ".bashrc", "a.d/README", "x.txt", "name."];
    expect(await named(extensions({ allow: [""] }), paths)).toEqual([true, true, true, false, true]);
    expect(await named(extensions({ deny: [""] }), paths)).toEqual([false, false, false, true, false]);
  });

  it("refuses lists that make no sense", () => {
    expect(() => extensions({})).toThrow(invalid);
    for (const entry of ["a/b", "..", " ", "."]) expect(() => extensions({ allow: [entry] })).toThrow(invalid);
  });
});

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const jpeg = Buffer.concat([Buffer.from("ffd8ffe000104a46494600010100000100010000", "hex"), Buffer.alloc(200)]);
const pdf = Buffer.from("%PDF-1.7\n1 0 obj\n<<>>\nendobj\n");
const windows = Buffer.concat([
  Buffer.from("MZ"),
  Buffer.alloc(58),
  Buffer.from("40000000", "hex"),
  Buffer.from("PE\0\0"),
]);
const elf = readFileSync(process.execPath).subarray(0, 70_000);
const noise = Buffer.concat([Buffer.from([0x00, 0x81, 0x90]), randomBytes(500).map((byte) => byte | 0x80)]);

describe("fileType", () => {
  it("tells types by content, whatever the name", async () => {
    const images = fileType({ allow: ["image/*"] });
    expect(await accepts(images, png, "picture")).toBe(true);
    expect(await accepts(images, jpeg, "picture.JPEG")).toBe(true);
    for (const content of [pdf, windows, elf, gzipSync("x"), "text", noise, ""])
      expect(await accepts(images, content, "picture")).toBe(false);
  });

  it("says the type it has found", async () => {
    const step = fileType({ allow: ["image/*", "application/pdf"] });
    const message = async (content: Uint8Array, path = "x") =>
      (await step.check(checkedFile(content, { path }))).message;
    expect(await message(png)).toBe("image/png");
    expect(await message(elf)).toBe("The content is application/x-elf; allowed are image/*, application/pdf.");
    expect(await message(windows, "x.jpg")).toBe("The content is application/x-msdownload; the name says .jpg.");
    expect(await message(noise)).toBe("The content is unknown; only known types are accepted.");
  });

  it("catches names that lie, unless told not to", async () => {
    const any = fileType({ allow: ["*/*"], unknown: "accept" });
    for (const [content, path] of [
      [elf, "a.jpg"],
      [windows, "b/A.PDF"],
      [png, "a.jpg"],
      ["#!/bin/sh\nrm -rf /\n", "a.png"],
      [pdf, "a.txt"],
    ] as const)
      expect(await accepts(any, content, path)).toBe(false);
    for (const [content, path] of [
      [png, "a.png"],
      [jpeg, "a.jpg"],
      [pdf, "a.pdf"],
      ["a,b\n", "a.csv"],
      [elf, "a.bin"],
    ] as const)
      expect(await accepts(any, content, path)).toBe(true);
    expect(await accepts(fileType({ allow: ["*/*"], extensionMustMatch: false }), elf, "a.jpg")).toBe(true);
  });

  it("denies before it allows", async () => {
    const step = fileType({ allow: ["image/*"], deny: ["image/png"] });
    expect(await accepts(step, png)).toBe(false);
    expect(await accepts(step, jpeg)).toBe(true);
    expect(await accepts(fileType({ deny: ["application/x-*"] }), elf)).toBe(false);
    expect(await accepts(fileType({ deny: ["application/x-*"] }), pdf)).toBe(true);
  });

  it("takes text by its own rule", async () => {
    const texts = ["plain", "ünïcödé 𝄞", "a\tb\r\n", "\ufeffwith mark", Buffer.from("\ufeffwide", "utf16le")];
    for (const text of texts) {
      expect(await accepts(fileType({ allow: ["text/plain"] }), text)).toBe(true);
      expect(await accepts(fileType({ allow: ["image/*"] }), text)).toBe(false);
      expect(await accepts(fileType({ allow: ["image/*"], text: "accept" }), text)).toBe(true);
      expect(await accepts(fileType({ deny: ["image/*"], text: "reject" }), text)).toBe(false);
      expect(await accepts(fileType({ deny: ["image/*"] }), text)).toBe(true);
    }
  });

  it("judges text by a head that ends inside a character", async () => {
    for (let pad = 0; pad < 4; pad += 1) {
      const text = `${"x".repeat(pad)}${"𝄞".repeat(20_000)}`;
      expect(await accepts(fileType({ allow: ["text/plain"] }), text)).toBe(true);
    }
  });

  it("rejects what it does not know, unless told not to", async () => {
    for (const content of [noise, "", "zero\0byte", Buffer.from([0xff, 0xfe, 0x00])]) {
      expect(await accepts(fileType({ deny: ["image/*"] }), content)).toBe(false);
      expect(await accepts(fileType({ allow: ["*/*"] }), content)).toBe(false);
      expect(await accepts(fileType({ allow: ["image/*"], unknown: "accept" }), content)).toBe(true);
    }
  });

  it("comes to an end with any head", async () => {
    const step = fileType({ allow: ["image/*"] });
    const starts = [
      png,
      jpeg,
      pdf,
      gzipSync("x"),
      Buffer.from("PK\x03\x04"),
      Buffer.from("RIFF"),
      Buffer.from("ID3\x04"),
    ];
    for (const start of starts) {
      for (let length = 0; length <= 64; length += 1)
        expect(await accepts(step, start.subarray(0, length))).toBeTypeOf("boolean");
      await accepts(step, Buffer.concat([start.subarray(0, 12), randomBytes(70_000)]));
    }
  });

  it("refuses lists that make no sense", () => {
    expect(() => fileType({ extensionMustMatch: false })).toThrow(invalid);
    for (const entry of ["image", "*/png", "im*/png", "image/p*g", "", "/"])
      expect(() => fileType({ allow: [entry] })).toThrow(invalid);
  });
});
