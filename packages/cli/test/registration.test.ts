import { describe, expect, test } from "vitest";
import { parseDestination, registerOptions } from "../src/assembly/registration.ts";

describe("a destination", () => {
  test.each([
    ["s3://my-bucket", "my-bucket", ""],
    ["s3://my-bucket/", "my-bucket", ""],
    ["s3://my-bucket/a//b/", "my-bucket", "a/b/"],
    [
      "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine",
      "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine",
      "",
    ],
    [
      "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/pre",
      "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine",
      "pre/",
    ],
  ])("%s is bucket %s and prefix %j", (text, bucket, prefix) => {
    expect(parseDestination(text)).toEqual({ bucket, prefix });
  });

  test.each([["my-bucket"], ["s3://"], ["s3:///x"], ["https://x"], ["s3://b/{yyyy}"], [""]])("is not %j", (text) => {
    expect(() => parseDestination(text)).toThrow("The destination must");
  });
});

test("options of a command are options of the library", () => {
  const args = {
    pattern: ["*.jpg"],
    minSize: 5,
    keyTemplate: "{yyyy}/{name}{ext}",
    acl: "private",
    tag: ["a=b=c", "d="],
  };
  expect(registerOptions(args, "/srv", "s3://b/p", "/work")).toEqual({
    sourceFolder: "/srv",
    bucket: "b",
    keyTemplate: "p/{yyyy}/{name}{ext}",
    dot: true,
    pattern: ["*.jpg"],
    minSize: 5,
    object: { acl: "private", tags: { a: "b=c", d: "" } },
  });
  expect(registerOptions({}, "/srv", "s3://b", "/work")).toEqual({
    ...{ sourceFolder: "/srv", bucket: "b", keyTemplate: "{path}", dot: true },
  });
  const moved = registerOptions({ afterUpload: { moveTo: "sent" }, pipeline: "p" }, "a", "s3://b", "/work");
  expect(moved).toMatchObject({ sourceFolder: "/work/a", afterUpload: { moveTo: "/work/sent" }, pipeline: "p" });
  expect(() => registerOptions({}, "", "s3://b", "/work")).toThrow("empty");
  expect(() => registerOptions({ metadata: ["=x"] }, "/srv", "s3://b", "/work")).toThrow(
    "--metadata must be NAME=VALUE",
  );
});
