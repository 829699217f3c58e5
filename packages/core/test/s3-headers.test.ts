import { expect, test } from "vitest";
import { type RegisterOptions, toSpec } from "../src/options.ts";

const objectOf = (object: object) =>
  toSpec({ sourceFolder: "/data", bucket: "b", object } as RegisterOptions, "id").object;

test.each([
  ["contentType", "text/plain\n"],
  ["cacheControl", "é"],
  ["contentDisposition", 'attachment; filename="é.txt"'],
  ["contentEncoding", "gzip\0"],
  ["contentLanguage", "de\u2028"],
  ["storageClass", "STANDARD\x7f"],
  ["serverSideEncryption", "AES256\r"],
  ["kmsKeyId", "schlüssel"],
  ["acl", "private\t"],
  ["expectedBucketOwner", "１"],
])("%s is a header: %j is refused when it is registered", (name, value) => {
  expect(() => objectOf({ [name]: value })).toThrow(
    expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(`object.${name} `) }),
  );
});

test("a file's name beyond ASCII is shown the way into Content-Disposition", () => {
  expect(() => objectOf({ contentDisposition: 'attachment; filename="é.txt"' })).toThrow("filename*=UTF-8''");
  const contentDisposition = "attachment; filename*=UTF-8''%C3%A9.txt";
  expect(objectOf({ contentDisposition })).toEqual({ contentDisposition });
});

test.each(["mit leer", "é", "a:b", "a\n", ""])("metadata cannot be called %j", (name) => {
  expect(() => objectOf({ metadata: { [name]: "x" } })).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
});

test("values of metadata and tags may be any text", () => {
  const object = { metadata: { "x-1.a_b": "é\n☃" }, tags: { größe: "é" } };
  expect(objectOf(object)).toEqual(object);
});
