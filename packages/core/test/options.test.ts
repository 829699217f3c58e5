import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type RegisterOptions, toSpec } from "../src/options.ts";

const minimal: RegisterOptions = { sourceFolder: "/data", bucket: "bucket" };
const spec = (options: object) => toSpec({ ...minimal, ...options } as RegisterOptions, "id");
const refusal = (options: unknown, id = "id") => {
  try {
    toSpec(options as RegisterOptions, id);
  } catch (error) {
    const { name, code, message } = error as { name: string; code: string; message: string };
    return { name, code, message };
  }
  return undefined;
};

test("defaults", () => {
  expect(toSpec(minimal, "id")).toEqual({
    sourceFolder: resolve("/data"),
    bucket: "bucket",
    pattern: ["**"],
    exclude: [],
    dot: false,
    keyTemplate: "{id}/{path}",
    mode: "watch",
    symlinks: "skip",
    overwrite: "always",
    minSize: null,
    maxSize: null,
    minAge: null,
    maxAge: null,
    priority: 0,
    compare: "stat",
    onSourceDelete: "keep",
    afterUpload: "keep",
    drop: null,
    deleteLimit: { files: 1_000, share: 0.5 },
    rootMarker: null,
    schedule: null,
    maxUnstableAge: null,
    activeHours: null,
    bandwidthLimit: null,
    host: null,
    pipeline: null,
    keySuffix: "",
    object: {},
  });
});

test("a spec survives JSON, and the same settings in another order make the same one", () => {
  const one = spec({ object: { tags: { b: "2", a: "1" }, contentType: "a/b", acl: "x" }, exclude: "x", minSize: 1 });
  const two = spec({ minSize: 1, exclude: ["x"], object: { acl: "x", contentType: "a/b", tags: { a: "1", b: "2" } } });
  expect(JSON.stringify(one)).toBe(JSON.stringify(two));
  expect(JSON.parse(JSON.stringify(one))).toEqual(one);
});

test("undefined stands for the default", () => {
  const names = [
    "pattern",
    "exclude",
    "dot",
    "keyTemplate",
    "mode",
    "symlinks",
    "overwrite",
    "minSize",
    "priority",
    "object",
  ];
  expect(spec(Object.fromEntries(names.map((name) => [name, undefined])))).toEqual(toSpec(minimal, "id"));
});

test("a relative folder is taken from the working directory", () => {
  expect(spec({ sourceFolder: "x/../y" }).sourceFolder).toBe(resolve("y"));
});

test("later changes to the caller's arrays do not reach the spec", () => {
  const pattern = ["*.a"];
  const made = spec({ pattern });
  pattern.push("*.b");
  expect(made.pattern).toEqual(["*.a"]);
});

describe("refused", () => {
  test.each<[string, object, string]>([
    ["an unknown option", { patern: "*" }, "INVALID_OPTION"],
    ["no folder", { sourceFolder: undefined }, "INVALID_OPTION"],
    ["an empty folder", { sourceFolder: "" }, "INVALID_OPTION"],
    ["a folder with NUL", { sourceFolder: "/a\0b" }, "INVALID_OPTION"],
    ["no bucket", { bucket: undefined }, "INVALID_OPTION"],
    ["a bucket as address", { bucket: "s3://bucket" }, "INVALID_OPTION"],
    ["a bucket with a prefix", { bucket: "bucket/prefix" }, "INVALID_OPTION"],
    ["a bucket with a newline", { bucket: "bucket\n" }, "INVALID_OPTION"],
    ["an empty pattern", { pattern: "" }, "INVALID_PATTERN"],
    ["no patterns", { pattern: [] }, "INVALID_PATTERN"],
    ["a pattern that is no text", { pattern: [5] }, "INVALID_OPTION"],
    ["a pattern that is null", { pattern: null }, "INVALID_OPTION"],
    ["an absolute pattern", { pattern: "/x/*" }, "INVALID_PATTERN"],
    ["an invalid exclusion", { exclude: "[a" }, "INVALID_PATTERN"],
    ["an expensive pattern", { pattern: "+(a|aa)b" }, "PATTERN_TOO_EXPENSIVE"],
    ["dot as text", { dot: "true" }, "INVALID_OPTION"],
    ["an unknown placeholder", { keyTemplate: "{nope}" }, "INVALID_KEY_TEMPLATE"],
    ["an empty template", { keyTemplate: "" }, "INVALID_OPTION"],
    ["an unknown mode", { mode: "twice" }, "INVALID_OPTION"],
    ["unknown symlinks", { symlinks: "maybe" }, "INVALID_OPTION"],
    ["unknown overwrite", { overwrite: "sometimes" }, "INVALID_OPTION"],
    ["a negative size", { minSize: -1 }, "INVALID_OPTION"],
    ["a size with fractions", { maxSize: 1.5 }, "INVALID_OPTION"],
    ["a size beyond exact numbers", { maxSize: 2 ** 53 }, "INVALID_OPTION"],
    ["an age that is no number", { minAge: "5" }, "INVALID_OPTION"],
    ["NaN", { maxAge: Number.NaN }, "INVALID_OPTION"],
    ["a priority with fractions", { priority: 0.5 }, "INVALID_OPTION"],
    ["object as text", { object: "x" }, "INVALID_OPTION"],
    ["an unknown object setting", { object: { colour: "red" } }, "INVALID_OPTION"],
    ["an empty object setting", { object: { contentType: "" } }, "INVALID_OPTION"],
    ["tags that are no map", { object: { tags: ["a"] } }, "INVALID_OPTION"],
    ["a tag that is no text", { object: { tags: { a: 1 } } }, "INVALID_OPTION"],
    ["metadata of ours", { object: { metadata: { "Bucketline-Token": "x" } } }, "INVALID_OPTION"],
  ])("%s", (_, options, code) => {
    expect(refusal({ ...minimal, ...options })).toMatchObject({ name: "InputError", code });
  });

  test.each(["", "a b", "a/b", "é", "x".repeat(129), "a\n", ".", ".."])("id %j", (id) => {
    expect(refusal(minimal, id)).toMatchObject({ code: "INVALID_OPTION" });
  });

  test.each([5, "x", []])("options %j", (options) => {
    expect(refusal(options)).toMatchObject({ code: "INVALID_OPTION" });
  });

  test("a message never repeats a long value", () => {
    expect(refusal({ ...minimal, mode: "x".repeat(10_000) })?.message.length).toBeLessThan(300);
  });
});

test.each(["x", "...", ".a", "A-Z._0", "x".repeat(128)])("id %j is accepted", (id) => {
  expect(refusal(minimal, id)).toBeUndefined();
});

test.each(["my-bucket", "arn:aws:s3:eu-west-1:123456789012:accesspoint/x", "Bucket_1"])(
  "bucket %s is accepted",
  (bucket) => {
    expect(spec({ bucket }).bucket).toBe(bucket);
  },
);
