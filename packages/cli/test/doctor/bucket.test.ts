import type { FaultCall, OperationName } from "@bucketline/s3-sandbox";
import { describe, expect, test } from "vitest";
import { profileOf } from "../../src/doctor/profile.ts";
import { BUCKET, type Examined, examine, leftIn, openSandbox, troubleOf } from "./examination.ts";

const NOW = new Date("2026-01-02T03:04:05Z");

const profile = ({ session }: Examined) => profileOf(session.capabilities, BUCKET, NOW);

test("a store that does what S3 does has nothing to be told, and nothing stays in its bucket", async () => {
  const sandbox = await openSandbox();
  const examined = await examine(sandbox, { prefix: "below/this/" });
  expect(troubleOf(examined)).toEqual([]);
  expect(examined.isWhole).toBe(true);
  expect(leftIn(sandbox)).toEqual([]);
  const written = sandbox.requests.flatMap(({ key }) => (key === undefined ? [] : [key]));
  expect(written.length).toBeGreaterThan(50);
  expect(written.filter((key) => !/^below\/this\/\.bucketline-doctor\/[0-9a-f]{16}\//.test(key))).toEqual([]);
  expect(profile(examined)).toMatchObject({
    checksums: "crc32",
    conditionalWrites: true,
    checkedAt: NOW.toISOString(),
  });
  expect(Object.values(profile(examined).capabilities ?? {})).not.toContain(false);
  expect(examined.session.capabilities.size).toBe(17);
});

describe("stores that know less", () => {
  test.each([
    ["ignored", "The store does not look at checksum headers."],
    ["refused", "The store refuses checksum headers (NotImplemented, HTTP 501)."],
    ["composite", "The store refuses checksums of parts"],
  ] as const)("checksums %s: the profile has none", async (checksums, message) => {
    const sandbox = await openSandbox({ dialect: { checksums } });
    const examined = await examine(sandbox);
    const [trouble, ...more] = troubleOf(examined);
    expect(more).toEqual([]);
    expect(trouble).toContain(checksums === "composite" ? "warning multipart: " : `warning checksums: ${message}`);
    expect(profile(examined)).toMatchObject({ checksums: "none", conditionalWrites: true });
    expect(examined.session.capabilities.get("multipart")).toBe(true);
    expect(leftIn(sandbox)).toEqual([]);
  });

  test.each(["ignored", "refused"] as const)("conditions %s: the profile has none", async (conditionalWrites) => {
    const sandbox = await openSandbox({ dialect: { conditionalWrites } });
    const examined = await examine(sandbox);
    expect(troubleOf(examined)).toEqual([
      "warning conditional writes: The store does not honour If-None-Match of a put, If-Match of a put, If-None-Match when parts are completed.",
      expect.stringContaining("warning conditional deletes: "),
    ]);
    expect(profile(examined)).toMatchObject({ checksums: "crc32", conditionalWrites: false });
    expect(leftIn(sandbox)).toEqual([]);
  });

  test("deletes that may not be conditional switch conditions off altogether", async () => {
    const sandbox = await openSandbox();
    const refuse = ({ headers }: FaultCall) =>
      headers.has("if-match") ? ({ type: "respond", code: "NotImplemented" } as const) : undefined;
    sandbox.fault({ operation: "DeleteObject", times: 1_000, action: refuse });
    const examined = await examine(sandbox);
    expect(troubleOf(examined)).toEqual([
      "warning conditional deletes: The store refuses If-Match of a delete (NotImplemented, HTTP 501).",
    ]);
    expect(profile(examined)).toMatchObject({ checksums: "crc32", conditionalWrites: false });
    expect(leftIn(sandbox)).toEqual([]);
  });

  test("a size that is not looked at is no trouble", async () => {
    const sandbox = await openSandbox({ dialect: { objectSize: "ignored" } });
    const examined = await examine(sandbox);
    expect(troubleOf(examined)).toEqual([]);
    expect(examined.session.capabilities.get("object_size")).toBe(false);
    expect(leftIn(sandbox)).toEqual([]);
  });

  test("metadata that gets lost is a problem", async () => {
    const sandbox = await openSandbox({ dialect: { metadata: "ignored" } });
    const trouble = troubleOf(await examine(sandbox));
    expect(trouble).toEqual(["problem metadata: User metadata does not come back as it was."]);
  });

  test("small parts that are taken are no trouble", async () => {
    const sandbox = await openSandbox({ minPartSize: 1 });
    const examined = await examine(sandbox);
    expect(troubleOf(examined)).toEqual([]);
    expect(examined.session.capabilities.get("minimum_part_size")).toBe(false);
    expect(leftIn(sandbox)).toEqual([]);
  });

  test("an abort that does nothing is noticed, and made good at the end", async () => {
    const sandbox = await openSandbox();
    const action = { type: "okWithError", commit: false } as const;
    const fault = sandbox.fault({ operation: "AbortMultipartUpload", action });
    const trouble = troubleOf(await examine(sandbox));
    expect(fault.fired).toBe(1);
    expect(trouble).toHaveLength(1);
    expect(trouble[0]).toContain("multipart guards: ");
    expect(leftIn(sandbox)).toEqual([]);
  });

  test("a key that loses bytes is a problem", async () => {
    const sandbox = await openSandbox();
    sandbox.fault({ operation: "PutObject", key: /\u{1f5fb}/u, action: { type: "respond", code: "InvalidURI" } });
    const trouble = troubleOf(await examine(sandbox));
    expect(trouble).toEqual(['problem keys: Objects cannot be kept under these keys: "Grüße 東京 \u{1f5fb}".']);
  });
});

describe("what may not be done", () => {
  const deny = (operation: OperationName) =>
    ({ operation, times: 1_000, action: { type: "respond", code: "AccessDenied" } }) as const;

  test("nothing may be put: nothing more is tried", async () => {
    const sandbox = await openSandbox();
    sandbox.fault(deny("PutObject"));
    const examined = await examine(sandbox);
    expect(examined.isWhole).toBe(false);
    expect(troubleOf(examined)).toEqual(["problem put: Nothing can be put into the bucket (AccessDenied, HTTP 403)."]);
    expect(sandbox.requests.filter(({ operation }) => operation === "CreateMultipartUpload")).toEqual([]);
  });

  test("nothing may be deleted: one small object stays, and it is said", async () => {
    const sandbox = await openSandbox();
    sandbox.fault(deny("DeleteObject"));
    const examined = await examine(sandbox);
    expect(examined.isWhole).toBe(false);
    expect(troubleOf(examined)).toEqual([
      expect.stringContaining("warning put: Objects may not be deleted"),
      expect.stringContaining("warning tidy up: What was put below s3://my-bucket/.bucketline-doctor/"),
    ]);
    expect(leftIn(sandbox)).toHaveLength(1);
  });

  test.each([
    ["HeadObject", "problem put: An object that was put cannot be looked at"],
    ["ListParts", "problem multipart: Parts may not be listed (AccessDenied, HTTP 403)."],
    ["ListObjectsV2", "warning listing: The bucket may not be listed (AccessDenied, HTTP 403)."],
    ["ListMultipartUploads", "warning listing: Multipart uploads may not be listed (AccessDenied, HTTP 403)"],
    ["AbortMultipartUpload", "problem multipart guards: A multipart upload may not be aborted."],
    ["CreateMultipartUpload", "problem multipart: An object in parts is refused (AccessDenied, HTTP 403)."],
    ["HeadBucket", "warning bucket: s3://my-bucket may not be listed, or is not there."],
  ] as const)("%s is denied", async (operation, expected) => {
    const sandbox = await openSandbox();
    sandbox.fault(deny(operation));
    // A HEAD that is refused is asked for its reason with a listing.
    if (operation === "HeadBucket") sandbox.fault({ ...deny("ListObjectsV2"), times: 1 });
    const examined = await examine(sandbox);
    expect(troubleOf(examined)).toContainEqual(expect.stringContaining(expected));
    if (operation !== "AbortMultipartUpload") expect(leftIn(sandbox)).toEqual([]);
  });
});

describe("out of reach", () => {
  test("a missing bucket is named, and nothing more is asked", async () => {
    const sandbox = await openSandbox();
    const examined = await examine(sandbox, { bucket: "other-bucket" });
    expect(examined.findings[0]).toMatchObject({
      level: "problem",
      isOutOfReach: true,
      facts: { kind: "bucketMissing" },
    });
    expect(sandbox.requests.map(({ operation }) => operation)).toEqual(["HeadBucket"]);
  });

  test("a store that is away", async () => {
    const sandbox = await openSandbox();
    await sandbox.close();
    const examined = await examine(sandbox);
    expect(examined.findings).toMatchObject([
      { check: "bucket", level: "problem", isOutOfReach: true },
      { check: "clock", level: "skipped" },
    ]);
  });

  test("one failure in the middle: the others are checked, there is no profile, and nothing stays", async () => {
    const sandbox = await openSandbox();
    sandbox.fault({ operation: "UploadPart", partNumber: 2, action: { type: "respond", code: "InternalError" } });
    const examined = await examine(sandbox);
    expect(examined.isWhole).toBe(false);
    expect(troubleOf(examined)).toEqual(["problem multipart: This could not be checked: InternalError, HTTP 500"]);
    expect(examined.findings.map(({ check }) => check)).toContain("keys");
    expect(leftIn(sandbox)).toEqual([]);
  });
});

test("quick: the bucket is looked at, and nothing is written", async () => {
  const sandbox = await openSandbox();
  const examined = await examine(sandbox, { isQuick: true });
  expect(sandbox.requests.map(({ method }) => method)).toEqual(["HEAD"]);
  expect(examined.findings.map(({ check, level }) => `${check} ${level}`)).toEqual([
    "bucket ok",
    "clock ok",
    "put skipped",
  ]);
  expect(examined.isWhole).toBe(false);
});
