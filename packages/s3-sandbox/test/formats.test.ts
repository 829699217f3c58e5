import { randomBytes } from "node:crypto";
import { crc32 as zlibCrc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { CRC32, CRC32C, CRC64NVME, combineCrcs, crc32c, crc64nvme } from "../src/crc.ts";
import { childText, parseXml, writeXml } from "../src/xml.ts";

const hex64 = ({ high, low }: { high: number; low: number }): string =>
  high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");

describe("CRCs", () => {
  // Check values of the string "123456789" from the catalogue of parametrised CRC algorithms (reveng).
  test("give the published check values", () => {
    const check = Buffer.from("123456789");
    expect(crc32c(check)).toBe(0xe3069283);
    expect(hex64(crc64nvme(check))).toBe("ae8b14860a799888");
  });

  test("do not depend on how the data is cut", () => {
    const data = randomBytes(1000);
    for (const cut of [0, 1, 7, 8, 9, 500, 999, 1000]) {
      expect(crc32c(data.subarray(cut), crc32c(data.subarray(0, cut)))).toBe(crc32c(data));
      expect(crc64nvme(data.subarray(cut), crc64nvme(data.subarray(0, cut)))).toEqual(crc64nvme(data));
    }
  });

  test("of pieces combine to that of the whole", () => {
    const pieces = [randomBytes(1000), randomBytes(1000), randomBytes(0), randomBytes(3)];
    const whole = Buffer.concat(pieces);
    const combine = (crc: typeof CRC32, of: (data: Buffer) => bigint): bigint =>
      combineCrcs(
        crc,
        pieces.map((piece) => ({ value: of(piece), length: piece.length })),
      );
    expect(combine(CRC32, (data) => BigInt(zlibCrc32(data)))).toBe(BigInt(zlibCrc32(whole)));
    expect(combine(CRC32C, (data) => BigInt(crc32c(data)))).toBe(BigInt(crc32c(whole)));
    const of64 = (data: Buffer): bigint => BigInt(`0x${hex64(crc64nvme(data))}`);
    expect(combine(CRC64NVME, of64)).toBe(of64(whole));
  });
});

describe("XML", () => {
  test("what clients send is read: prolog, namespace, attributes, entities, CDATA, comments, empty elements", () => {
    const root = parseXml(
      '\uFEFF<?xml version="1.0"?><!-- hi --><s3:Delete xmlns:s3="urn:x" a=\'1>2\'>\n <Object ><Key>a&amp;&#x62;&#99;<![CDATA[<d>&]]></Key ></Object><Quiet/></s3:Delete>\n',
    );
    expect(root.name).toBe("Delete");
    expect(childText(root.children[0]!, "Key")).toBe("a&bc<d>&");
    expect(childText(root, "Quiet")).toBe("");
  });

  test.each([
    "",
    "text",
    "<a>",
    "<a></b>",
    "</a>",
    "<a/><b/>",
    "<a/>text",
    "<a><b></a></b>",
    "<a>&nbsp;</a>",
    "<a>&#0;</a>",
    "<a>& b</a>",
    "<a b=c/>",
    "<a b='<'/>",
    "<a><!-- </a>",
    "<a><![CDATA[</a>",
    '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
    "<a>".repeat(20) + "</a>".repeat(20),
    "<1/>",
    "<a",
  ])("%j is refused", (source) => {
    expect(() => parseXml(source)).toThrow(expect.objectContaining({ code: "MalformedXML" }));
  });

  test("what is written can be read back", () => {
    const nasty = "a<b>&\"c'\u0001\n]]>";
    const root = parseXml(
      writeXml("R", [
        ["K", nasty],
        ["Gone", undefined],
        ["N", 5],
        ["L", [["I", true]]],
      ]),
    );
    expect(root.children.map((child) => child.name)).toEqual(["K", "N", "L"]);
    expect(root.children[0]?.text).toBe(nasty);
    expect(root.children[2]?.children[0]?.text).toBe("true");
  });
});
