import { crc32Of, formatCrc32 } from "../../src/checksum.ts";
import type { ObjectSettings, PutObjectRequest, UploadPartRequest } from "../../src/ports/object-store.ts";
import type { Dice } from "./random.ts";

const PIECES = [
  "a",
  "Z",
  "9",
  "-",
  "_",
  ".",
  "~",
  "..",
  ".",
  "//",
  "/",
  "+",
  " ",
  "  ",
  "%",
  "%20",
  "%2F",
  "%zz",
  "&",
  "=",
  "?",
  "#",
  "!",
  "'",
  "(",
  ")",
  "*",
  ";",
  ":",
  "@",
  "$",
  ",",
  "é",
  "e\u0301",
  "☃",
  "🗻",
  "日本",
  "\\",
  "^",
  "`",
  "|",
  '"',
  "<",
  ">",
  "[",
  "]",
  "{",
  "}",
  "\n",
  "\t",
  "\u007f",
  "\u00a0",
  "/../",
  "/./",
];

/** A key of which every character may make trouble on the way. */
function anyKey(dice: Dice): string {
  return dice.list(1, 12, () => dice.pick(PIECES)).join("");
}

const HEADER_PIECES = ["a", "B", "7", " ", "  ", ";", "=", '"', "/", "-", "*", "'", "%", ",", "+"];

function anyHeader(dice: Dice): string {
  return `x${dice.list(0, 8, () => dice.pick(HEADER_PIECES)).join("")}x`;
}

function anyText(dice: Dice): string {
  return dice.list(0, 6, () => dice.pick(PIECES)).join("");
}

function record(dice: Dice, value: () => string): Record<string, string> {
  return Object.fromEntries(dice.list(0, 3, () => [dice.pick(["Origin", "a.b", "x-1"]), value()]));
}

function anySettings(dice: Dice): ObjectSettings {
  const maybe = <T>(value: () => T): T | undefined => (dice.chance(0.4) ? value() : undefined);
  const settings = {
    contentType: maybe(() => (dice.chance(0.2) ? "" : anyHeader(dice))),
    cacheControl: maybe(() => anyHeader(dice)),
    contentDisposition: maybe(() => anyHeader(dice)),
    contentEncoding: maybe(() => dice.pick(["gzip", "aws-chunked", ""])),
    contentLanguage: maybe(() => anyHeader(dice)),
    storageClass: maybe(() => dice.pick(["STANDARD_IA", "GLACIER", ""])),
    serverSideEncryption: maybe(() => dice.pick(["AES256", "aws:kms"])),
    kmsKeyId: maybe(() => "arn:aws:kms:eu-west-1:111122223333:key/1234"),
    acl: maybe(() => "bucket-owner-full-control"),
    tags: maybe(() => record(dice, () => anyText(dice))),
    metadata: maybe(() => record(dice, () => anyText(dice))),
    expectedBucketOwner: maybe(() => "111122223333"),
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as ObjectSettings;
}

function anyBody(dice: Dice) {
  const body = Uint8Array.from(dice.list(0, 50, () => dice.int(0, 255)));
  return { body, checksum: formatCrc32(crc32Of(body)) };
}

export function anyPut(dice: Dice, bucket: string): PutObjectRequest {
  const condition = dice.pick([
    undefined,
    { ifNoneMatch: "*" },
    { ifMatch: "9b2cf535f27731c974343645a3985328-3" },
  ] as const);
  const owner = dice.pick([undefined, "444455556666"]);
  return {
    ...anyBody(dice),
    bucket,
    key: anyKey(dice),
    settings: anySettings(dice),
    token: "0123456789abcdef",
    condition,
    expectedBucketOwner: owner,
  };
}

export function anyPart(dice: Dice, bucket: string): UploadPartRequest {
  const multipartId = `u${dice.list(0, 8, () => dice.pick(["a", "+", "/", "=", "%", " ", "~", "é", "*"])).join("")}`;
  return {
    ...anyBody(dice),
    bucket,
    key: anyKey(dice),
    multipartId,
    partNumber: dice.int(1, 10_000),
    expectedBucketOwner: dice.pick([undefined, "444455556666"]),
  };
}
